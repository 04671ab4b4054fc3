"""Connections to PostgreSQL, or to a pooler such as PgBouncer in front of it.

A pooler that gives each transaction another of its connections keeps nothing of a session, neither
prepared statements nor settings. It is detected, and needs no setting of its own.
"""

from typing import Any, Final

import asyncpg

from service.errors import DatabaseUnavailable, describe_error
from service.settings.urls import describe_address

# The settings that a pooler keeps for a session, whichever connection it uses.
_KEPT_BY_POOLERS: Final = ("application_name", "timezone")

_PROBE: Final = """
    SELECT
        current_setting('synchronous_commit') AS synchronous_commit,
        current_setting('default_transaction_isolation') AS isolation
"""

# The arrays that our statements take, each with its own number and that of its elements, which are
# the same in every PostgreSQL.
_ARRAYS: Final = {
    "_int2": (1005, 21),
    "_int4": (1007, 23),
    "_int8": (1016, 20),
    "_varchar": (1015, 1043),
    "_timestamptz": (1185, 1184),
    "_jsonb": (3807, 3802),
}
# As asyncpg is answered when it asks for a type.
_ARRAY_TYPES: Final = [
    {
        "oid": number,
        "ns": "pg_catalog",
        "name": name,
        "kind": b"b",
        "basetype": None,
        "elemtype": element,
        "elemdelim": ",",
        "range_subtype": None,
        "attrtypoids": None,
    }
    for name, (number, element) in _ARRAYS.items()
]


class Connector:
    """Makes a pool's connections: its `connect`."""

    def __init__(self) -> None:
        self._is_direct = False
        self.is_pooled = False
        """Whether a pooler has answered."""

    async def connect(
        self,
        *arguments: Any,
        server_settings: dict[str, str],
        **options: Any,
    ) -> Any:
        """Return a connection.

        Raises `DatabaseUnavailable` where there is none, whatever the reason, or where a pooler's
        connections do not commit to the disk or isolate transactions otherwise.
        """
        try:
            connection = await self._connect(*arguments, server_settings=server_settings, **options)
        except (
            asyncpg.PostgresError,
            asyncpg.exceptions.ClientConfigurationError,
            ValueError,
        ) as error:
            # These may mean that the URL is wrong: an option that the server does not know, a file
            # that is not there. No request can be answered until that is corrected.
            place = describe_address(arguments[0])
            raise DatabaseUnavailable(describe_error(error), place) from error
        # asyncpg knows no array but text[]. It would ask on every connection, with a statement that
        # takes PostgreSQL longer than any of ours: 13 ms.
        known = connection._protocol.get_settings()  # noqa: SLF001 - asyncpg has no public call
        known.register_data_types(_ARRAY_TYPES)
        return connection

    async def _connect(
        self, *arguments: Any, server_settings: dict[str, str], **options: Any
    ) -> Any:
        if not self.is_pooled:
            connection = await self._connect_directly(
                *arguments, server_settings=server_settings, **options
            )
            if connection is not None:
                return connection
            self.is_pooled = True
        kept = {name: value for name, value in server_settings.items() if name in _KEPT_BY_POOLERS}
        # Without a cache asyncpg prepares each statement in the round trip that runs it.
        options["statement_cache_size"] = 0
        connection = await asyncpg.connect(*arguments, server_settings=kept, **options)
        row = await _run_first(connection, _PROBE)
        assert row is not None
        wanted = server_settings.get("synchronous_commit")
        if wanted == "on" and row["synchronous_commit"] == "off":
            await connection.close()
            raise DatabaseUnavailable(
                "behind this pooler synchronous_commit is off, and a score must be on disk before "
                "it is answered: ALTER ROLE … SET synchronous_commit = on"
            )
        isolation = server_settings.get("default_transaction_isolation", row["isolation"])
        if row["isolation"] != isolation:
            await connection.close()
            raise DatabaseUnavailable(
                f"behind this pooler default_transaction_isolation is {row['isolation']!r}, in "
                "which submits with the same key fail each other: "
                f"ALTER ROLE … SET default_transaction_isolation = '{isolation}'"
            )
        return connection

    async def _connect_directly(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection to PostgreSQL itself, or None where a pooler answers."""
        try:
            connection = await asyncpg.connect(*arguments, **options)
        except asyncpg.ProtocolViolationError as error:
            # PostgreSQL has all the settings that we send; PgBouncer refuses most of them.
            if "startup parameter" in str(error):
                return None
            raise
        if self._is_direct:
            return connection
        try:
            # A pooler that is configured to ignore them reports a process id of its own instead.
            row = await _run_first(connection, "SELECT pg_backend_pid() AS pid")
        except (asyncpg.OperatorInterventionError, asyncpg.ConnectionDoesNotExistError):
            # Whatever it is, it is shutting down: this tells nothing.
            raise
        except asyncpg.PostgresError:
            row = None
        if row is not None and row["pid"] == connection.get_server_pid():
            self._is_direct = True
            return connection
        connection.terminate()
        return None


async def _run_first(
    connection: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> asyncpg.Record | None:
    """Run a new connection's first statement; end the connection where that fails."""
    try:
        return await connection.fetchrow(statement)
    except BaseException:
        connection.terminate()
        raise
