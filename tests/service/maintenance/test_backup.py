"""A backup by `pg_dump`, restored into a new data directory beside a Valkey that knows more."""

import os
import subprocess
from pathlib import Path

from redis.asyncio import Redis

from service.backends.database import Database
from service.local.embedded import PostgresServer
from service.local.embedded.postgres import find_binaries
from service.maintenance.audit import audit
from service.maintenance.rebuild import rebuild
from service.settings.settings import Settings, load_settings
from service.standings.refresh.refresh import Refresher
from tests.support.databases import THROW_AWAY, Clusters
from tests.support.factories import make_players_with_scores, record_scores

STANDINGS = "SELECT player_id, score, rank FROM ranked_standing ORDER BY player_id"


def run_tool(name: str, *arguments: str | Path) -> None:
    answer = subprocess.run(
        [find_binaries() / name, *arguments],
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


async def read_standings(database: Database) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await database.fetch(STANDINGS)]


async def test_restored_database_goes_on_ranking_rightly(
    database: Database,
    settings: Settings,
    refresher: Refresher,
    redis: Redis,
    clusters: Clusters,
    tmp_path: Path,
) -> None:
    user_ids = await make_players_with_scores(database, [5, 7, 7, 0, -3, 12])
    await refresher.refresh()
    await rebuild(settings)
    saved = await read_standings(database)
    await record_scores(database, (user_ids[0], 3))
    dump = tmp_path / "leaderboard.dump"
    run_tool("pg_dump", "--format=custom", f"--file={dump}", settings.require_database_url())
    # Valkey follows on after the backup, to the very number that the restored database gives next.
    await record_scores(database, (user_ids[4], 100))
    await refresher.refresh()

    with PostgresServer(clusters.make("restored"), settings=THROW_AWAY) as server:
        run_tool("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={server.url}", dump)
        restored_settings = load_settings(
            database_url=server.url, redis_url=settings.require_redis_url()
        )
        restored = Database(restored_settings, application_name="leaderboard tests")
        await restored.open()
        try:
            assert await read_standings(restored) == saved
            assert not await audit(restored_settings)
            await rebuild(restored_settings)
            assert await audit(restored_settings)
            scores = {user_id: score for user_id, score, _ in await read_standings(restored)}
            assert [scores[user_id] for user_id in user_ids] == [8, 7, 7, 0, -3, 12]
            ranks = await restored.fetch("SELECT rank FROM ranked_standing ORDER BY player_id")
            assert [row["rank"] for row in ranks] == [2, 3, 3, 5, 6, 1]

            await record_scores(restored, (user_ids[1], 10))
            await Refresher(restored, redis, restored_settings).refresh()
            assert await audit(restored_settings)
            scores = {user_id: score for user_id, score, _ in await read_standings(restored)}
            assert [scores[user_id] for user_id in user_ids] == [8, 17, 7, 0, -3, 12]
        finally:
            await restored.close()
