"""Settings: from the environment; a wrong one says its name, its value and what is allowed."""

from pathlib import Path

import pytest

from service.errors import UsageError
from service.settings import Settings, environment_name, load_settings

# Numbers need no entry: any number's neighbour is allowed.
OTHER_VALUES = {
    "database_url": "postgresql://host/leaderboard",
    "redis_url": "redis://host",
    "broker_url": "redis://host",
    "data_dir": "elsewhere",
    "log_level": "error",
    "public_reads": "false",
    "new_relic_license_key": "a" * 40,
}


def test_no_variable_is_needed() -> None:
    settings = load_settings()
    assert (settings.database_url, settings.redis_url, settings.broker_url) == (None, None, None)
    assert settings.data_dir == Path(".leaderboard")


REDIS_SCHEMES = "a URL that starts with one of redis://, rediss://, unix://"
POSTGRES_SCHEMES = "a URL that starts with one of postgresql://, postgres://"
NOT_A_NUMBER = "a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DATABASE_URL", "mysql://host/leaderboard", POSTGRES_SCHEMES),
        ("REDIS_URL", "host:6379", REDIS_SCHEMES),
        ("BROKER_URL", "amqp://host", REDIS_SCHEMES),
        ("LEADERBOARD_DATABASE_POOL_SIZE", "3", "greater than or equal to 4"),
        ("LEADERBOARD_DATABASE_POOL_SIZE", "201", "less than or equal to 200"),
        ("LEADERBOARD_SUBMIT_QUEUE_LIMIT", "many", NOT_A_NUMBER),
        ("LEADERBOARD_REDIS_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("LEADERBOARD_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
    ],
)
def test_wrong_value_is_told_with_its_name_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as error:
        load_settings()
    assert str(error.value) == f"{name}={value!r} is not usable: it must be {allowed}"


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_is_read_from_the_variable_that_errors_name(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    name = environment_name(field)
    others = {"DATABASE_URL", "REDIS_URL", "BROKER_URL", "NEW_RELIC_LICENSE_KEY"}
    assert name in others or name.startswith("LEADERBOARD_")
    default = getattr(load_settings(), field)
    monkeypatch.setenv(name, OTHER_VALUES.get(field) or str(default + 1))
    assert getattr(load_settings(), field) != default


def test_override_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://environment")
    assert load_settings(redis_url="redis://override").redis_url == "redis://override"
    assert load_settings(redis_url=None).redis_url == "redis://environment"


def test_missing_url_says_how_to_name_one() -> None:
    settings = load_settings()
    with pytest.raises(
        UsageError, match=r"DATABASE_URL is not set: .*postgresql://.*leaderboard up"
    ):
        settings.require_database_url()
    with pytest.raises(UsageError, match=r"REDIS_URL is not set: .*redis://.*leaderboard up"):
        settings.require_redis_url()


def test_broker_is_redis_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://cache")
    assert load_settings().require_broker_url() == "redis://cache"
    monkeypatch.setenv("BROKER_URL", "redis://broker")
    assert load_settings().require_broker_url() == "redis://broker"
