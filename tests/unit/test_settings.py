"""Settings: from the environment; a wrong one says its name, its value and what is allowed."""

from pathlib import Path

import pytest

from service.cluster import connect_cluster, parse_cluster_url
from service.errors import UsageError
from service.settings import Settings, environment_name, load_settings

# Numbers need no entry: any number's neighbour is allowed.
OTHER_VALUES = {
    "database_url": "postgresql://host/leaderboard",
    "database_replica_url": "postgresql://standby/leaderboard",
    "redis_url": "redis://host",
    "broker_url": "redis://host",
    "data_dir": "elsewhere",
    "log_level": "error",
    "log_format": "json",
    "access_log": "true",
    "public_reads": "false",
    "new_relic_license_key": "a" * 40,
}


def test_no_variable_is_needed() -> None:
    settings = load_settings()
    assert (settings.database_url, settings.redis_url, settings.broker_url) == (None, None, None)
    assert settings.data_dir == Path(".leaderboard")


BROKER_SCHEMES = "a URL that starts with one of redis://, rediss://, unix://, amqp://, amqps://"
REDIS_SCHEMES = "a URL that starts with one of redis://, rediss://, unix://, redis+cluster://, rediss+cluster://"
CLUSTER_FORM = "for a cluster redis+cluster://[user:password@]host:port,host:port[?option=value]"
REDIS_FORM = "redis://[user:password@]host:port/number[?option=value]"
RABBITMQ_FORM = "amqp://[user:password@]host:port/vhost[?option=value]"
POSTGRES_FORM = "postgresql://[user:password@]host:port/database[?option=value]"
UNKNOWN_OPTION = "an unexpected keyword argument 'colour'"
SSL_MODES = "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"
POSTGRES_SCHEMES = "a URL that starts with one of postgresql://, postgres://"
NOT_A_NUMBER = "a valid integer, unable to parse string as an integer"


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("DATABASE_URL", "mysql://host/leaderboard", POSTGRES_SCHEMES),
        ("REDIS_URL", "host:6379", REDIS_SCHEMES),
        (
            "REDIS_URL",
            "redis+cluster://one,two/3",
            f"{CLUSTER_FORM} (a cluster has no database but 0)",
        ),
        ("REDIS_URL", "redis+cluster://one,:6379", f"{CLUSTER_FORM} (a node has no host)"),
        (
            "REDIS_URL",
            "redis+cluster://one?colour=red",
            f"{CLUSTER_FORM} (RedisCluster.__init__() got {UNKNOWN_OPTION})",
        ),
        ("REDIS_URL", "redis://host:99999", f"{REDIS_FORM} (Port out of range 0-65535)"),
        (
            "REDIS_URL",
            "redis://host?db=one",
            f"{REDIS_FORM} (Invalid value for 'db' in connection URL.)",
        ),
        (
            "REDIS_URL",
            "unix:///socket?colour=red",
            f"{REDIS_FORM} (AbstractConnection.__init__() got {UNKNOWN_OPTION})",
        ),
        ("BROKER_URL", "kafka://host", BROKER_SCHEMES),
        ("BROKER_URL", "redis://[::1", f"{BROKER_SCHEMES} (Invalid IPv6 URL)"),
        ("BROKER_URL", "redis://host:99999", f"{REDIS_FORM} (Port out of range 0-65535)"),
        ("BROKER_URL", "amqp://host:99999", f"{RABBITMQ_FORM} (Port out of range 0-65535)"),
        (
            "DATABASE_URL",
            "postgresql://one:1,two:99999/name",
            f"{POSTGRES_FORM} (Port out of range 0-65535)",
        ),
        (
            "DATABASE_URL",
            "postgresql:///name?port=99999",
            f"{POSTGRES_FORM} (Port out of range 0-65535)",
        ),
        ("DATABASE_URL", "postgresql://host?sslmode=on", f"{POSTGRES_FORM} ({SSL_MODES})"),
        ("BROKER_URL", "redis+cluster://host", BROKER_SCHEMES),
        ("DATABASE_REPLICA_URL", "standby:5432", POSTGRES_SCHEMES),
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
    others = {
        "DATABASE_URL",
        "DATABASE_REPLICA_URL",
        "REDIS_URL",
        "BROKER_URL",
        "NEW_RELIC_LICENSE_KEY",
    }
    assert name in others or name.startswith("LEADERBOARD_")
    default = getattr(load_settings(), field)
    monkeypatch.setenv(name, OTHER_VALUES.get(field) or str(default + 1))
    assert getattr(load_settings(), field) != default


@pytest.mark.parametrize(
    "value", ["redis+cluster://one", "rediss+cluster://user:p%40ss@one:1,[::1]:2?protocol=3"]
)
def test_cluster_is_a_cache(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("REDIS_URL", value)
    assert load_settings().redis_url == value


def test_cluster_url_has_nodes_and_options() -> None:
    nodes, options = parse_cluster_url(
        "rediss+cluster://user:p%40ss@one:1,[::1]:2,three?ssl_ca_certs=/ca.pem"
    )
    assert nodes == [("one", 1), ("::1", 2), ("three", 6379)]
    assert options == {
        "username": "user",
        "password": "p@ss",
        "ssl": True,
        "ssl_ca_certs": "/ca.pem",
    }


def test_options_of_a_cluster_url_win_over_ours() -> None:
    client = connect_cluster("redis+cluster://one?socket_timeout=7", 1.0)
    assert client.connection_kwargs["socket_timeout"] == 7


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
