"""What moderators do twice, for a while, or to those who tie."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.backends.database import Database
from service.maintenance.audit import audit
from service.moderation.service import LOCK_PLAYER
from service.settings.settings import Settings
from tests.support.factories import make_player, make_players, record_scores
from tests.support.moderating import call
from tests.support.season_work import SeasonWorker


async def count_log(client: httpx.AsyncClient) -> int:
    return len((await client.get("/api/moderation")).json()["entries"])


async def list_standing(database: Database) -> list[int]:
    rows = await database.fetch("SELECT player_id FROM standing ORDER BY player_id")
    return [row["player_id"] for row in rows]


async def test_what_is_revoked_twice_was_revoked_the_first_time(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_id = await make_player(database)
    (session_id,) = await record_scores(database, (user_id, 5))
    path = f"/api/sessions/{session_id}"
    first = await call(client, "POST", f"{path}/revoke")
    assert await call(client, "POST", f"{path}/revoke") == first
    many = await call(client, "POST", f"/api/players/{user_id}/sessions/revoke")
    assert many["sessions"] == 0
    assert await count_log(client) == 1
    for _ in range(2):
        restored = await call(client, "POST", f"{path}/restore")
        assert restored.get("revoked_at") is None
    assert await count_log(client) == 2


@pytest.mark.parametrize("state", ["hidden", "banned"])
async def test_scores_that_left_with_their_player_stay_away_when_a_state_would_end(
    client: httpx.AsyncClient,
    database: Database,
    worker: SeasonWorker,
    settings: Settings,
    state: str,
) -> None:
    one, other = await make_players(database, 2)
    await record_scores(database, (one, 5), (other, 7))
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await call(client, "PUT", f"/api/players/{one}/state", state=state, until=until)
    gone = await client.delete(
        f"/api/players/{one}", params={"reason": "asked", "scores": "revoke"}
    )
    assert gone.status_code == 204
    # An hour passes.
    await database.fetch("UPDATE player SET state_until = now() WHERE state_until IS NOT NULL")
    await worker.work()
    top = (await client.get("/api/leaderboard/top")).json()
    assert [entry["user_id"] for entry in top["leaderboard"]] == [other]
    assert await audit(settings)


async def test_no_fold_waits_for_a_moderator_of_somebody_whose_state_is_over(
    database: Database, worker: SeasonWorker
) -> None:
    one, other = await make_players(database, 2)
    await record_scores(database, (one, 5), (other, 7))
    over = "UPDATE player SET state = 'hidden', state_until = now() WHERE id = $1"
    await database.fetch(over, one)
    async with database.transaction() as moderator:
        # As a deletion does, which then reads the whole log.
        await moderator.fetch(LOCK_PLAYER, one)
        await worker.work()
        assert await list_standing(database) == [other]
    await worker.work()
    assert await list_standing(database) == [one, other]


async def test_preview_knows_who_of_those_who_tie_was_first(
    client: httpx.AsyncClient, database: Database, worker: SeasonWorker
) -> None:
    rule = {"operator": "best", "ties": "first"}
    assert (await client.put("/api/boards/laps", json=rule)).status_code == 201
    await worker.work()
    one, other = await make_players(database, 2)
    *_, cheat = await record_scores(database, (other, 10), (one, 10), (one, 20))
    await worker.work()
    wanted = {"session_ids": [cheat]}
    path = f"/api/players/{one}/sessions/revoke"
    seen = await call(client, "POST", path, dry_run=True, **wanted)
    (laps,) = [entry for entry in seen["boards"] if entry["board"] == "laps"]
    assert (laps["rank_before"], laps["rank_after"]) == (1, 2)
    await call(client, "POST", path, **wanted)
    await worker.work()
    rank = (await client.get(f"/api/boards/laps/rank/{one}")).json()
    assert (rank["score"], rank["rank"]) == (10, 2)
