"""Real PostgreSQL and Valkey for every test, with nothing running and nothing set beforehand.

The whole suite runs in several processes at once; each has both servers, once for all its tests.
A test that needs a database gets one that is as a template that was migrated once; Valkey is
emptied for each. Tests that stop a server start one of their own.
"""

import logging
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import hypothesis
import pytest
import pytest_asyncio
from litestar import Litestar
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import _SESSION, Database
from service.backends.redis import connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.schema.migrate import migrate
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import THROW_AWAY, Clusters, Databases, flush
from tests.support.patience import keep_limits, lift_limits, stopwatch
from tests.support.routing import share_handlers, share_signatures
from tests.support.season_work import SeasonWorker
from tests.support.serving import connect_client, run_app
from tests.support.shared_service import SharedService, run_shared_service
from tests.support.up_process import clean_environment
from tests.support.whole_stack import WholeStack, run_whole_stack, serve_process

_MOST_PROCESSES = 6

_MEMORY = Path("/dev/shm")  # noqa: S108 - each process makes a folder of its own there
_SERVERS_BYTES = 8 * 2**30

# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Share the whole suite among processes; what is named runs in this one, at once.

    Two more than there are processors: some tests wait for what they have killed.
    """
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return 0
    return min((os.cpu_count() or 1) + 2, _MOST_PROCESSES)


def pytest_configure() -> None:
    """Take away what the shell sets for the service: tests mean the defaults."""
    for name in os.environ.keys() - clean_environment().keys():
        del os.environ[name]
    # What a shell starts in the background ignores Ctrl-C, and so would every program of a test.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Keep the level that a test leaves from the next one, which would find more in its records."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def _service_of_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_signatures(patch)
        share_handlers(patch)
        lift_limits(patch)
        yield


@pytest.fixture
def read_seconds() -> Iterator[Callable[[], float]]:
    """The seconds in which this process has had its turn."""
    with stopwatch() as read_seconds:
        yield read_seconds


@pytest.fixture
def usual_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of how soon the service gives something up."""
    keep_limits(monkeypatch)


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    # Not pytest's own temporary folder: each run of pytest on this machine closes that one to other
    # accounts, and as root PostgreSQL runs as another.
    folder = _find_memory()
    with tempfile.TemporaryDirectory(prefix="leaderboard-tests-", dir=folder) as directory:
        yield Path(directory)


def _find_memory() -> Path | None:
    """Return the folder whose files are kept in memory, if it is large enough for those of servers.

    They make and delete thousands, which costs a disk's file system a tenth of all.
    """
    if not _MEMORY.is_dir() or "TMPDIR" in os.environ:
        return None
    return _MEMORY if shutil.disk_usage(_MEMORY).free >= _SERVERS_BYTES else None


@pytest.fixture(scope="session")
def clusters(server_directory: Path) -> Clusters:
    """Makes data directories for tests that are not about the first start in one."""
    return Clusters(server_directory)


@pytest.fixture(scope="session")
def postgres(clusters: Clusters) -> Iterator[PostgresServer]:
    """The PostgreSQL of all tests that leave it running."""
    with PostgresServer(clusters.make("shared"), settings=THROW_AWAY) as server:
        yield server


@pytest.fixture(scope="session")
def valkey(server_directory: Path) -> Iterator[ValkeyServer]:
    """The Valkey of all tests that leave it running."""
    with ValkeyServer(server_directory / "shared-valkey") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def template_database(postgres: PostgresServer) -> str:
    """The name of a migrated database without any player."""
    await migrate(postgres.url)
    return urlsplit(postgres.url).path.removeprefix("/")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def databases(postgres: PostgresServer, template_database: str) -> AsyncIterator[Databases]:
    """Migrated databases without any player, one after the other."""
    databases = Databases(postgres, template_database)
    async with databases.open():
        yield databases


@pytest_asyncio.fixture(loop_scope="session")
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """A database as it is when it was just made."""
    async with databases.lend() as url:
        yield url


@pytest.fixture
def redis_url(valkey: ValkeyServer) -> str:
    """An empty Valkey."""
    return flush(valkey)


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings for a service without a worker: what is not refreshed by hand may wait for long.

    So may servers that are there: on a busy machine an answer may take more than a second.
    """
    return load_settings(
        database_url=database_url,
        redis_url=redis_url,
        database_timeout_seconds=60.0,
        redis_timeout_seconds=60.0,
        stale_after_seconds=600.0,
    )


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """A database of the test's own, in which a transaction may wait for what the test does next.

    PostgreSQL ends one that is idle for 20 s, and on a busy machine that may take longer.
    """
    database = Database(settings, application_name="leaderboard tests")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(_SESSION, "idle_in_transaction_session_timeout", "0")
        await database.open()
    yield database
    await database.close()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    redis = connect_redis(settings)
    yield redis
    await redis.aclose()


@pytest.fixture
def refresher(database: Database, redis: Redis, settings: Settings) -> Refresher:
    """The worker, called by hand: after `refresh()` nothing is pending and the index is right.

    Unless it says that there is more, because its turn of two seconds was over.
    """
    return Refresher(database, redis, settings)


@pytest.fixture
def worker(database: Database, redis: Redis, settings: Settings) -> SeasonWorker:
    """What a worker does about seasons as well, called by hand."""
    return SeasonWorker(database, redis, settings)


@pytest.fixture
async def app(settings: Settings, refresher: Refresher) -> AsyncIterator[Litestar]:
    """The started application, with an index to read from."""
    # A turn ends after two seconds, which on a busy machine may be before the index is there.
    while (await refresher.refresh()).more:
        pass
    async with run_app(create_app(settings)) as app:
        yield app


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application in this process; event streams need `tests.support.serving`."""
    async with connect_client(app) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    postgres: PostgresServer, valkey: ValkeyServer, template_database: str
) -> AsyncIterator[SharedService]:
    """One service for the tests of a module that leave each other alone, in the module's loop."""
    async with run_shared_service(postgres, valkey, template_database) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def live_stack(clusters: Clusters) -> AsyncIterator[WholeStack]:
    """What the service of `live` stands on. It ends with the module: one that idles works, too."""
    async with run_whole_stack(clusters) as stack:
        yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def live(live_stack: WholeStack) -> AsyncIterator[str]:
    """The URL of a service in processes, for tests that leave it as they found it."""
    async with serve_process(live_stack) as url:
        yield url
