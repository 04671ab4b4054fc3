"""Settings: from the environment; a wrong one says its name, its value and what is allowed."""

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest
from redis.asyncio import RedisCluster

from service.backends.redis import connect_redis
from service.errors import UsageError
from service.settings.settings import Settings, environment_name, load_settings
from service.settings.urls import parse_cluster_url

ROOT = Path(__file__).parents[3]

# Numbers need no entry: any number's neighbour is allowed.
OTHER_VALUES = {
    "database_url": "postgresql://host/leaderboard",
    "database_replica_url": "postgresql://standby/leaderboard",
    "redis_url": "redis://host",
    "broker_url": "redis://host",
    "data_dir": "elsewhere",
    "cors_origins": "https://game.example",
    "root_path": "/lb",
    "trusted_proxies": "10.0.0.1",
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
POSTGRES_SCHEMES = "a URL that starts with one of postgresql://, postgres://"
REDIS_FORM = "redis://[user:password@]host:port/number[?option=value]"
RABBITMQ_FORM = "amqp://[user:password@]host:port/vhost[?option=value]"
POSTGRES_FORM = "postgresql://[user:password@]host:port/database[?option=value]"
NO_PORT = "(Port out of range 0-65535)"
SSL_MODES = "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full"
LABELS = "between its dots are 1 to 63 characters"
NO_HOST = f"no host can be named 'a..b': {LABELS}"
NO_SECOND_HOST = "(a host is missing beside a comma)"
NO_VALUE = "(bad query field: 'sslmode')"
POOL_SIZE = "a whole number, 4 to 200"


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
        ("BROKER_URL", "kafka://host", BROKER_SCHEMES),
        ("BROKER_URL", "redis+cluster://host", BROKER_SCHEMES),
        ("DATABASE_REPLICA_URL", "standby:5432", POSTGRES_SCHEMES),
        ("LEADERBOARD_DATABASE_POOL_SIZE", "3", POOL_SIZE),
        ("LEADERBOARD_DATABASE_POOL_SIZE", "201", POOL_SIZE),
        ("LEADERBOARD_SUBMIT_QUEUE_LIMIT", "many", "a whole number, 1 to 1,000,000"),
        ("LEADERBOARD_REDIS_TIMEOUT_SECONDS", "0", "a number, more than 0, at most 60"),
        ("LEADERBOARD_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("LEADERBOARD_PUBLIC_READS", "maybe", "one of true, false"),
        ("DATABASE_URL", "postgresql://[::1/x", f"{POSTGRES_SCHEMES} (Invalid IPv6 URL)"),
        (
            "DATABASE_URL",
            "postgresql://host:many/x",
            f"{POSTGRES_FORM} (Port could not be cast to integer value as 'many')",
        ),
        ("DATABASE_URL", "postgresql://one:1,two:70000/x", f"{POSTGRES_FORM} {NO_PORT}"),
        ("DATABASE_REPLICA_URL", "postgres:///x?port=70000", f"{POSTGRES_FORM} {NO_PORT}"),
        ("DATABASE_URL", "postgresql://host/x?sslmode=on", f"{POSTGRES_FORM} ({SSL_MODES})"),
        ("REDIS_URL", "redis://host:99999", f"{REDIS_FORM} {NO_PORT}"),
        ("REDIS_URL", "redis://host?a=b", f"{REDIS_FORM} (there is no option 'a')"),
        ("REDIS_URL", "redis://host/scores", f"{REDIS_FORM} (the database is a number)"),
        ("BROKER_URL", "rediss://host/1/2", f"{REDIS_FORM} (the database is a number)"),
        ("REDIS_URL", "redis+cluster://one?a=b", f"{CLUSTER_FORM} (there is no option 'a')"),
        (
            "BROKER_URL",
            "unix:///run/valkey.sock?db=one",
            f"{REDIS_FORM} (Invalid value for 'db' in connection URL.)",
        ),
        ("BROKER_URL", "amqp://host:99999", f"{RABBITMQ_FORM} {NO_PORT}"),
        ("BROKER_URL", "amqp://host?a=b", f"{RABBITMQ_FORM} (Unknown URL parameter: 'a')"),
        ("DATABASE_URL", "postgresql://a..b/x", f"{POSTGRES_FORM} ({NO_HOST})"),
        ("DATABASE_REPLICA_URL", "postgresql://c,a..b:5432/x", f"{POSTGRES_FORM} ({NO_HOST})"),
        ("DATABASE_URL", "postgresql:///x?host=c,a..b", f"{POSTGRES_FORM} ({NO_HOST})"),
        (
            "DATABASE_URL",
            "postgresql://c:1,/x",
            f"{POSTGRES_FORM} (a host is missing beside a comma)",
        ),
        (
            "DATABASE_URL",
            "postgresql://c/x?sslmode",
            f"{POSTGRES_FORM} (bad query field: 'sslmode')",
        ),
        ("REDIS_URL", "redis://a..b:6379/0", f"{REDIS_FORM} ({NO_HOST})"),
        ("REDIS_URL", "rediss+cluster://c:1,a..b", f"{CLUSTER_FORM} ({NO_HOST})"),
        ("BROKER_URL", "rediss://a..b", f"{REDIS_FORM} ({NO_HOST})"),
        ("BROKER_URL", "amqp://a..b/vhost", f"{RABBITMQ_FORM} ({NO_HOST})"),
        (
            "REDIS_URL",
            f"redis://{'x' * 64}.internal",
            f"{REDIS_FORM} (no host can be named '{'x' * 64}.internal': {LABELS})",
        ),
        (
            "LEADERBOARD_DATA_DIR",
            "~ghost/lb",
            "the path of a directory (nobody's home is ~ghost)",
        ),
    ],
)
def test_wrong_value_is_told_with_its_name_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, allowed: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as error:
        load_settings()
    assert str(error.value) == f"{name}={value!r} is not usable: it must be {allowed}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://ada:secret@host/x"),
        ("DATABASE_URL", "postgresql://ada:se@cret@host:many/x"),
        ("REDIS_URL", "redis://:secret@host:many"),
        ("REDIS_URL", "ada:secret@host"),
        ("BROKER_URL", "amqp://ada:secret@host:many"),
        ("DATABASE_URL", "postgresql://ada:secret/x@host/x"),
        ("DATABASE_URL", "postgresql://ada:[secret@host/x"),
        ("DATABASE_URL", "postgresql://ada:secret\u2100@host/x"),
        ("DATABASE_URL", "postgresql://host/x?password=secret&sslmode=on"),
        ("REDIS_URL", "redis://:secret#x@host"),
        ("REDIS_URL", "redis+cluster://:secret?x@host"),
        ("BROKER_URL", "amqp://ada:secret/x@host"),
        ("DATABASE_URL", "postgresql://ada:12/secret@host/x"),
        ("DATABASE_URL", "postgresql://ada:secret@12/secret@host/x"),
        ("DATABASE_URL", "postgresql://ada:12?secret@host/x?sslmode=require"),
        ("DATABASE_REPLICA_URL", "postgresql://ada:12#secret@host/x"),
        ("REDIS_URL", "redis://:12/secret@host/0"),
        ("REDIS_URL", "redis://ada:12?secret@host"),
        ("REDIS_URL", "redis+cluster://:12#secret@host"),
        ("REDIS_URL", "unix://:12/secret@/host.sock"),
        ("BROKER_URL", "amqp://ada:12/secret@host/x"),
        ("BROKER_URL", "redis://:12#secret@host"),
    ],
)
def test_password_is_not_told(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name) as error:
        load_settings()
    assert "secret" not in str(error.value)
    assert "cret" not in str(error.value)
    assert "host" in str(error.value)


@pytest.mark.parametrize("password", ["se/cret", "12/34", "12?34", "12#34"])
def test_password_that_cuts_the_url_is_to_be_written_otherwise(
    monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://ada:{password}@host/x")
    with pytest.raises(UsageError, match=r"in user and password, / .* are written %2F"):
        load_settings()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:secret@one:1,two:2/x?target_session_attrs=primary&sslmode=require",
        "postgres://[::1]:5432/x",
        "postgresql://postgres@/leaderboard?host=/run/postgresql&port=5432",
        "postgresql:///leaderboard?host=/run/user@1000&user=ada@corp",
        "postgresql://ada:1%2F2@host/d%40b?application_name=board@here",
        "postgresql://ada:p@ss@host/x",
        "postgresql://ada:a..b@[fe80::1]:5432,db.internal.,%2Frun%2Fpostgresql/x",
        "postgresql:///x?host=/run/a..b,/run/c",
        f"postgresql:///x?host=/run/{'x' * 64}",
    ],
)
def test_every_way_to_name_a_postgresql_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    assert load_settings().database_url == url


@pytest.mark.parametrize(
    ("name", "url"),
    [
        *(("REDIS_URL", f"redis://{host}") for host in ("[::1]:6379", "127.0.0.1", "cache.", "")),
        ("REDIS_URL", "redis+cluster://[::1]:6379,cache.internal"),
        *((name, f"unix:///run/a..b/{'x' * 64}.sock") for name in ("REDIS_URL", "BROKER_URL")),
        ("BROKER_URL", "amqp://ada:a..b@[::1]:5672/vhost"),
    ],
)
def test_every_host_that_can_be_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    assert url in {load_settings().redis_url, load_settings().broker_url}


@pytest.mark.parametrize(
    "url", ["unix://ada:secret@/run/user@1000/valkey.sock?db=1", "unix:///run/a:b@c.sock"]
)
def test_socket_with_an_at_is_taken(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    assert load_settings().redis_url == url


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    default = getattr(load_settings(), field)
    monkeypatch.setenv(environment_name(field), "")
    assert getattr(load_settings(), field) == default


def test_submits_that_wait_leave_places_to_reads() -> None:
    settings = load_settings()
    most_under_way = settings.submit_queue_limit + settings.submit_batch_limit
    assert most_under_way < 0.95 * settings.request_limit


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
    url = "redis+cluster://one?socket_timeout=7"
    client = cast("RedisCluster", connect_redis(load_settings(redis_url=url)))
    assert client.connection_kwargs["socket_timeout"] == 7


def test_variable_that_is_no_setting_is_told() -> None:
    known = {
        "PATH": os.environ["PATH"],
        "LEADERBOARD_API_KEY": "x",
        "LEADERBOARD_LOG_LEVEL": "info",
    }
    strange = {
        "LEADERBOARD_PUBLIC_READ": "false",
        # The URLs have no prefix.
        "LEADERBOARD_REDIS_URL": "redis://host",
        "LEADERBOARD_XYZZY": "1",
    }
    command = [
        sys.executable,
        "-c",
        "from service.settings.settings import load_settings as l; l(), l()",
    ]
    told = [
        subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, check=True, text=True
        ).stderr.splitlines()
        for environment in (known, known | strange)
    ]
    ends = "is no setting and changes nothing"
    assert told == [
        [],
        [
            f"warning: LEADERBOARD_PUBLIC_READ {ends}; did you mean LEADERBOARD_PUBLIC_READS?",
            f"warning: LEADERBOARD_REDIS_URL {ends}; did you mean REDIS_URL?",
            f"warning: LEADERBOARD_XYZZY {ends}",
        ],
    ]


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
