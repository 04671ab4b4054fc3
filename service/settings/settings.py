"""Every setting of every program, in one place.

The environment is read nowhere else. A wrong value stops the start with the setting's name, the
value and what is allowed.
"""

import os
import sys
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import UsageError
from service.settings.limits import describe_allowed
from service.settings.origins import check_networks, check_origins, check_prefix
from service.settings.urls import (
    check_broker_url,
    check_postgres_url,
    check_redis_url,
    hide_login,
    is_cluster,
)

_PREFIX: Final = "LEADERBOARD_"

SLICE_STANDINGS: Final = 1_000_000

# Clients of the API read their key from this one; the service itself does not use it.
_CLIENT_VARIABLES: Final = frozenset({"LEADERBOARD_API_KEY"})


def expand_home(path: Path) -> Path:
    """Return a path that begins with `~` or `~name` as that home has it; raises `ValueError`."""
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the path of a directory (nobody's home is {path.parts[0]})") from error


PostgresUrl = Annotated[str, AfterValidator(check_postgres_url)]
RedisUrl = Annotated[str, AfterValidator(check_redis_url)]
BrokerUrl = Annotated[str, AfterValidator(check_broker_url)]
Directory = Annotated[Path, AfterValidator(expand_home)]


class Settings(BaseSettings):
    """Settings with their defaults, from the environment.

    The four URLs have no prefix because every tool around the service spells them this way; all
    other names begin with `LEADERBOARD_`.
    """

    # Compose passes an unset variable on as an empty one.
    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: PostgresUrl | None = Field(default=None, validation_alias="DATABASE_URL")
    """PostgreSQL to use. Unset: the one that `leaderboard up` runs in the data directory."""

    database_replica_url: PostgresUrl | None = Field(
        default=None, validation_alias="DATABASE_REPLICA_URL"
    )
    """A streaming standby of that PostgreSQL, for the reads that may lag. Unset: none."""

    redis_url: RedisUrl | None = Field(default=None, validation_alias="REDIS_URL")
    """Redis or Valkey for the index and the events; of a cluster, any of its nodes with commas
    between. Unset: the one that `leaderboard up` runs."""

    broker_url: BrokerUrl | None = Field(default=None, validation_alias="BROKER_URL")
    """Dramatiq's broker, Redis or RabbitMQ. Unset: the same as `REDIS_URL`, unless that is a
    cluster."""

    data_dir: Directory = Path(".leaderboard")
    """Where `leaderboard up` keeps its database, sockets and logs."""

    database_pool_size: int = Field(default=8, ge=4, le=200)
    """Most connections a process opens to PostgreSQL, but nine an API process and six a worker.

    With fewer they would wait for each other, holding locks: an API process keeps three for
    submits, and needs two for transfers and two each for a change of a board and a correction; a
    worker needs three for locks and a statement beside each.
    """

    database_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Longest wait for a connection or for one statement of a request."""

    replica_lag_seconds: float = Field(default=5.0, gt=0, le=600)
    """How far the replica may be behind; past it the primary is asked."""

    redis_timeout_seconds: float = Field(default=1.0, gt=0, le=60)
    """Longest wait for an answer from Redis before a read falls back to PostgreSQL."""

    submit_queue_limit: int = Field(default=4_000, ge=1, le=1_000_000)
    """Submissions a process lets wait for the next commit; past it the answer is 503. Fewer than
    LEADERBOARD_REQUEST_LIMIT, so that reads go on while PostgreSQL is silent."""

    submit_batch_limit: int = Field(default=500, ge=1, le=10_000)
    """Most submissions written by one statement."""

    refresh_batch_limit: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most pending sessions that one refresh folds before it publishes."""

    slice_standings: int = Field(default=SLICE_STANDINGS, ge=1, le=100_000_000)
    """Most standings that a rebuild of the index or a re-rank takes at once, in some seconds. A
    larger board takes several slices, with folds in between."""

    refresh_interval_ms: int = Field(default=50, ge=0, le=10_000)
    """Time between two refreshes while scores keep coming, less where the last one folded fewer
    than 50; more lets each do more."""

    stale_after_seconds: float = Field(default=2.0, ge=0.5, le=3_600)
    """How long a score may wait to be visible, beyond LEADERBOARD_REFRESH_INTERVAL_MS, before reads
    say `"stale": true` and readiness and status say why."""

    worker_threads: int = Field(default=4, ge=1, le=64)
    """Actors that one worker process runs at the same time."""

    worker_poll_ms: int = Field(default=100, ge=10, le=1_000)
    """How often an idle worker looks at RabbitMQ, and at messages that were put off."""

    request_body_limit: int = Field(default=64 * 1024, ge=1_024, le=100 * 1024 * 1024)
    """Largest request body in bytes; a larger one is answered with 413."""

    request_limit: int = Field(default=5_000, ge=1, le=1_000_000)
    """Requests that a process has under way; past it the answer is 503. A fifth of them is kept
    for writes, and a twentieth for reads."""

    stream_limit: int = Field(default=2_000, ge=1, le=1_000_000)
    """Event streams that a process has open; past it the answer is 503."""

    request_arrival_seconds: float = Field(default=30.0, ge=0.1, le=3_600)
    """Longest time that a request takes to arrive, body included; past it the answer is 408.

    A new connection that sends nothing is closed after it, too.
    """

    connection_limit: int = Field(default=10_000, ge=1, le=1_000_000)
    """Connections, idle ones too, that a process has open; past it the answer is 503."""

    key_requests_per_minute: int = Field(default=0, ge=0, le=1_000_000_000)
    """Requests that each API key may send in a minute; past it the answer is 429. 0: no limit."""

    public_reads: bool = True
    """Whether tops, ranks and players are for everybody, or for holders of a key."""

    root_path: Annotated[str, AfterValidator(check_prefix)] = ""
    """The path under which a proxy serves the API, such as `/lb`; `--root-path` is the same. The
    proxy may leave it in the requests or take it away."""

    trusted_proxies: Annotated[str, AfterValidator(check_networks)] = ""
    """Proxies whose `X-Forwarded-Prefix` is believed: addresses or networks, with commas between.
    """

    cors_origins: Annotated[str, AfterValidator(check_origins)] = ""
    """Origins whose pages may read what needs no key, with commas between, or `*`. Unset: none."""

    stream_heartbeat_seconds: float = Field(default=15.0, ge=0.1, le=300)
    """Pause between two comments on an otherwise silent event stream."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important message that is logged."""

    log_format: Literal["text", "json"] = "text"
    """Lines for people, or an object a line for machines, as `compose.yml` has it."""

    access_log: bool = False
    """Whether each request gets a line in the log."""

    new_relic_license_key: SecretStr | None = Field(
        default=None, validation_alias="NEW_RELIC_LICENSE_KEY"
    )
    """Reports to New Relic. Unset: its agent is not loaded. Its other `NEW_RELIC_*` are its own."""

    def require_database_url(self) -> str:
        """Return the URL of the database; raises `UsageError`, which says how to set it."""
        if self.database_url is None:
            raise UsageError(
                "DATABASE_URL is not set: name a PostgreSQL such as "
                "postgresql://user:password@host:5432/leaderboard, or run `leaderboard up`."
            )
        return self.database_url

    def require_redis_url(self) -> str:
        """Return the URL of the cache; raises `UsageError`, which says how to set it."""
        if self.redis_url is None:
            raise UsageError(
                "REDIS_URL is not set: name a Redis or Valkey such as redis://host:6379/0, "
                "or run `leaderboard up`."
            )
        return self.redis_url

    def require_broker_url(self) -> str:
        """Return the URL of the broker: `BROKER_URL` or, unless it is a cluster, the cache's.

        Raises `UsageError`, which says how to set it.
        """
        if self.broker_url is not None:
            return self.broker_url
        url = self.require_redis_url()
        if is_cluster(url):
            raise UsageError(
                "BROKER_URL is not set, and Dramatiq cannot use the cluster that REDIS_URL names: "
                "name a RabbitMQ such as amqp://user:password@host, or a Redis such as "
                "redis://host:6379/0."
            )
        return url


def environment_name(field: str) -> str:
    """Return the environment variable that sets `field`."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"{_PREFIX}{field.upper()}"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment; `overrides` replace fields, unless they are None.

    A variable with our prefix that is not a setting gets a warning on standard error. Raises
    `UsageError` that names the variable, its value and what is allowed.
    """
    _warn_of_unknown_variables()
    values = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings()
        return settings.model_copy(update=values) if values else settings
    except ValidationError as error:
        raise UsageError(_explain(error)) from error


def is_locale_plain() -> bool:
    """Return whether the locale is said to be C, in which Python itself writes UTF-8.

    Where none is named, most terminals show that.
    """
    return (os.environ.get("LC_ALL") or os.environ.get("LANG")) in {"C", "POSIX"}


@cache
def _warn_of_unknown_variables() -> None:
    known = {environment_name(field) for field in Settings.model_fields}
    names = {name.removeprefix(_PREFIX): name for name in known}
    for variable in sorted(os.environ.keys() - known - _CLIENT_VARIABLES):
        if variable.startswith(_PREFIX):
            similar = get_close_matches(variable.removeprefix(_PREFIX), names, n=1)
            hint = f"; did you mean {names[similar[0]]}?" if similar else ""
            sys.stderr.write(f"warning: {variable} is no setting and changes nothing{hint}\n")


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    location = str(first["loc"][0])
    (field,) = (
        field for field in Settings.model_fields if location in {field, environment_name(field)}
    )
    info = Settings.model_fields[field]
    allowed = describe_allowed(info.annotation, info.metadata) or first["msg"].removeprefix(
        "Value error, "
    )
    value = first["input"]
    shown = hide_login(value) if isinstance(value, str) else value
    return f"{environment_name(field)}={shown!r} is not usable: it must be {allowed}"
