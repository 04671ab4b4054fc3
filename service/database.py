"""The connection pool, transactions, the `.sql` loader and the translation of driver errors.

Statements live in `<noun>/sql/<verb_noun>.sql`; Python names them and passes parameters. Piccolo
owns the schema and its migrations; statements run on the asyncpg connection itself, because
Piccolo's `raw()` parses braces and would corrupt `'{}'` and `$1`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg

from service.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    from service.settings import Settings

    type_Pool = asyncpg.Pool[asyncpg.Record]
    Connection = PoolConnectionProxy[asyncpg.Record] | asyncpg.Connection[asyncpg.Record]

# A lost connection shows up as any of these, depending on the moment. InterfaceError is what the
# driver raises for "connection is closed"; a wrong argument raises its subclass, which is a bug of
# ours and must not be dressed up as an outage.
_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)
