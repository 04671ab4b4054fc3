"""A fresh cluster, a fresh database and an empty Valkey, each made quickly."""

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import redis as blocking_redis

from service.backends.redis import DRIVER
from service.local.embedded import PostgresServer, ValkeyServer

# A database that lives for seconds needs no disk, and neither much memory nor helpers to read it.
THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "io_method": "sync",
}

_numbers = count(1)


class Clusters:
    """Data directories with a PostgreSQL cluster that was never started, copied from one.

    `initdb` takes a second of processor time, which a copy does not.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = PostgresServer(folder / "template", settings=THROW_AWAY)

    def make(self, name: str) -> Path:
        """Make a data directory, below the folder of all of them, and return it."""
        if not self._template.folder.exists():
            self._template.prepare()
        directory = self._folder / name
        directory.mkdir()
        # As it is, with its owner.
        subprocess.run(["cp", "-a", self._template.folder, directory], check=True)
        return directory


@asynccontextmanager
async def create_database(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    """Make a copy of the template for the time of the block."""
    name = _make_name()
    async with _connect(postgres, "postgres") as maintenance:
        await maintenance.execute(_COPY.format(name=name, template=template))
        yield _name_database(postgres.url, name)
        await maintenance.execute(_DROP.format(name=name))


class Databases:
    """Databases that are as the template was, one at a time.

    A copy costs more processor time than most tests. Where a test changed nothing but rows, these
    are put back and the next test gets the same database under another name, so that no process
    that was left behind finds it. Otherwise it gets a copy.
    """

    def __init__(self, postgres: PostgresServer, template: str) -> None:
        self._postgres = postgres
        self._template = template
        self._spare: str | None = None
        self._catalog_writes = ""
        self._shape = ""
        self._refill = ""

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Remember what every database has to be like, and stay connected."""
        async with _connect(self._postgres, self._template) as connection:
            self._shape = await connection.fetchval(_SHAPE)
            statements = [
                await connection.fetchval(_INSERT.format(table=table))
                for (table,) in await connection.fetch(_FILLED)
            ]
            statements.append(await connection.fetchval(_SET_SEQUENCES))
            self._refill = "; ".join(statements)
        async with _connect(self._postgres, "postgres") as self._maintenance:
            yield

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[str]:
        """Give a database for the time of the block, and its URL."""
        name = _make_name()
        if self._spare is None:
            copy = _COPY.format(name=name, template=self._template)
            await self._maintenance.execute(copy)
            self._catalog_writes = ""
        else:
            await self._maintenance.execute(f"ALTER DATABASE {self._spare} RENAME TO {name}")
            self._spare = None
        yield _name_database(self._postgres.url, name)
        if await self._put_back(name):
            self._spare = name
        else:
            await self._maintenance.execute(_DROP.format(name=name))

    async def _put_back(self, name: str) -> bool:
        """Make the rows those of the template; false if more than rows was changed."""
        # Where a backend does not end, dropping its database says so.
        if not await self._maintenance.fetchval(_END_ALL, name):
            return False
        async with _connect(self._postgres, name) as connection:
            writes = await connection.fetchval(_CATALOG_WRITES)
            # To compare the shape takes longer than all the rest.
            if writes != self._catalog_writes:
                if await connection.fetchval(_SHAPE) != self._shape:
                    return False
                self._catalog_writes = writes
            await connection.execute(_EMPTY + self._refill)
        return True


# Without a disk to wait for, the files are copied in half the time that their pages take.
_COPY = "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
_DROP = "DROP DATABASE {name} WITH (FORCE)"

# Without triggers and foreign keys. To empty the files of all tables and indexes costs more than to
# delete a few rows, which stay there.
_EMPTY = """
SET session_replication_role = replica;
DO $$
DECLARE
    tables text[];
    is_large boolean;
    name text;
BEGIN
    SELECT array_agg(oid::regclass), bool_or(pg_relation_size(oid) > 65536)
    INTO tables, is_large
    FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace;
    IF is_large THEN
        EXECUTE 'TRUNCATE ' || array_to_string(tables, ', ');
        RETURN;
    END IF;
    FOREACH name IN ARRAY tables LOOP
        IF pg_relation_size(name::regclass) > 0 THEN
            EXECUTE 'DELETE FROM ' || name;
        END IF;
    END LOOP;
END
$$;
"""

_FILLED = """
SELECT oid::regclass::text FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""

# The statement that writes what is in a table now.
_INSERT = """
SELECT format(
    'INSERT INTO {table} OVERRIDING SYSTEM VALUE '
    'SELECT * FROM json_populate_recordset(NULL::{table}, %L)',
    json_agg({table})
)
FROM {table}
"""

# The one that sets all sequences to where they are now.
_SET_SEQUENCES = """
SELECT 'SELECT ' || string_agg(
    format(
        'setval(%L, %s, %L)',
        seqrelid::regclass,
        coalesce(pg_sequence_last_value(seqrelid), seqstart),
        pg_sequence_last_value(seqrelid) IS NOT NULL
    ),
    ', '
)
FROM pg_sequence
"""

# A backend that is told to end does so at its next chance: it is waited for, up to five seconds.
_END_ALL = """
SELECT coalesce(bool_and(pg_terminate_backend(pid, 5000)), true)
FROM pg_stat_activity WHERE datname = $1
"""

# How often any row of a catalog was written since the database was copied: backends that have ended
# have told theirs. Left out is the catalog of all databases, to which every test adds one, so that
# what it has of this one is compared as text.
_CATALOG_WRITES = """
SELECT md5(concat(
    (SELECT sum(
        pg_stat_get_tuples_inserted(oid)
        + pg_stat_get_tuples_updated(oid)
        + pg_stat_get_tuples_deleted(oid)
    )
    FROM pg_class WHERE oid < 16384 AND relkind = 'r' AND relname <> 'pg_database'),
    (SELECT concat(datallowconn, datconnlimit, datacl, datdba) FROM pg_database
    WHERE datname = current_database())
))
"""

# All that a test may change of a database but its rows, in one text. What is written again while a
# table is emptied is left out, and what the planner knows is in it: it is copied as nothing.
_SHAPE = """
SELECT md5(concat_ws(E'\n',
    (SELECT string_agg((to_jsonb(class) - ARRAY[
        'relfilenode', 'relpages', 'reltuples', 'relallvisible', 'relallfrozen',
        'relfrozenxid', 'relminmxid'
    ])::text, E'\n' ORDER BY oid)
    FROM pg_class AS class WHERE oid >= 16384),
    (SELECT string_agg(concat(attrelid, attname, xmin), ' ' ORDER BY attrelid, attnum)
    FROM pg_attribute WHERE attrelid >= 16384),
    (SELECT string_agg(concat(adrelid, adnum, xmin), ' ' ORDER BY oid) FROM pg_attrdef),
    (SELECT string_agg(concat(indexrelid, indisvalid, indisready), ' ' ORDER BY indexrelid)
    FROM pg_index WHERE indexrelid >= 16384),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid)
    FROM pg_constraint WHERE oid >= 16384),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_trigger),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid)
    FROM pg_proc WHERE oid >= 16384),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid)
    FROM pg_type WHERE oid >= 16384),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_namespace
    WHERE nspname !~ '^pg_(toast_)?temp_'),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_extension),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_publication),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_policy),
    (SELECT string_agg(concat(oid, ' ', xmin), ' ' ORDER BY oid) FROM pg_default_acl),
    (SELECT string_agg(concat(setrole, setconfig), ' ' ORDER BY setrole) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())),
    (SELECT concat(datallowconn, datconnlimit, datacl, datdba) FROM pg_database
    WHERE datname = current_database()),
    (SELECT count(*) FROM pg_statistic WHERE starelid >= 16384)
))
"""


@asynccontextmanager
async def _connect(
    postgres: PostgresServer, name: str
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(_name_database(postgres.url, name))
    try:
        yield connection
    finally:
        await connection.close()


def _make_name() -> str:
    return f"test_{next(_numbers)}"


def flush(valkey: ValkeyServer) -> str:
    """Empty a Valkey and return its URL."""
    with closing(blocking_redis.Redis.from_url(valkey.url, driver_info=DRIVER)) as client:
        client.flushall()
    return valkey.url


def _name_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{name}").geturl()
