"""A connection to PostgreSQL, or to a pooler such as PgBouncer in front of it.

Behind a pooler that gives each transaction another of its connections, a session keeps nothing:
neither prepared statements nor settings. Nobody has to say that there is one: it shows itself.
"""

from typing import Any, Final

import asyncpg

from service.errors import DatabaseUnavailable

# What a pooler keeps for a session, whichever connection it gives it.
_KEPT_BY_POOLERS: Final = ("application_name", "timezone")

_PROBE: Final = """
    SELECT pg_backend_pid() AS pid, current_setting('synchronous_commit') AS synchronous_commit
"""


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

        Raises `DatabaseUnavailable` where there is none to be had, whatever the reason, or where a
        pooler's connections do not commit to the disk.
        """
        try:
            return await self._connect(*arguments, server_settings=server_settings, **options)
        except (
            asyncpg.PostgresError,
            asyncpg.exceptions.ClientConfigurationError,
            ValueError,
        ) as error:
            # One of these may say that our URL is wrong: an option that the server does not know,
            # a file that is not there. No request can be answered until somebody mends that.
            raise DatabaseUnavailable(f"{type(error).__name__}: {error}") from error

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
        row = await _ask_first(connection, _PROBE)
        assert row is not None
        wanted = server_settings.get("synchronous_commit")
        if wanted == "on" and row["synchronous_commit"] == "off":
            await connection.close()
            raise DatabaseUnavailable(
                "behind this pooler synchronous_commit is off, and a score must be on disk before "
                "it is answered: ALTER ROLE … SET synchronous_commit = on"
            )
        return connection

    async def _connect_directly(self, *arguments: Any, **options: Any) -> Any:
        """Return a connection to PostgreSQL itself, or None where a pooler answers."""
        try:
            connection = await asyncpg.connect(*arguments, **options)
        except asyncpg.ProtocolViolationError as error:
            # PostgreSQL has all the settings that we ask for; PgBouncer refuses most.
            if "startup parameter" in str(error):
                return None
            raise
        if self._is_direct:
            return connection
        try:
            # One that was told to ignore them gives away that it is not the server which answers.
            row = await _ask_first(connection, "SELECT pg_backend_pid() AS pid")
        except (asyncpg.OperatorInterventionError, asyncpg.ConnectionDoesNotExistError):
            # It is just going away, whatever it is: that tells nothing.
            raise
        except asyncpg.PostgresError:
            row = None
        if row is not None and row["pid"] == connection.get_server_pid():
            self._is_direct = True
            return connection
        connection.terminate()
        return None


async def _ask_first(
    connection: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> asyncpg.Record | None:
    """Run a new connection's first statement; one that cannot has no owner yet and is ended."""
    try:
        return await connection.fetchrow(statement)
    except BaseException:
        connection.terminate()
        raise
