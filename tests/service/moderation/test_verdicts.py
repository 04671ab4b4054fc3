"""What a session is told of itself, what `details` says and what is explained are one thing."""

import httpx
import pytest
from redis.asyncio import Redis

from service.backends.database import Database
from service.moderation import inspection
from service.settings.settings import Settings
from tests.support.factories import make_player, record_scores
from tests.support.season_work import SeasonWorker

WHY = {"reason": "speedhack"}


class Board:
    """A board, and a player with sessions there."""

    def __init__(self, client: httpx.AsyncClient, database: Database, worker: SeasonWorker) -> None:
        self.worker = worker
        self._client = client
        self._database = database

    async def open(self, operator: str, *scores: int) -> list[int]:
        """Make board, player and sessions; return their ids."""
        made = await self._client.put("/api/boards/laps", json={"operator": operator})
        assert made.status_code == 201, made.text
        await self.worker.work()
        self.user_id = await make_player(self._database)
        session_ids = await record_scores(
            self._database, *[(self.user_id, score) for score in scores]
        )
        await self.worker.work()
        return session_ids

    async def _call(self, method: str, path: str, **body: object) -> None:
        answer = await self._client.request(method, path, json=WHY | body)
        assert answer.status_code == 200, answer.text

    async def close(self) -> None:
        """Close its first season."""
        await self._client.post("/api/boards/laps/seasons/current/close")
        await self.worker.work()

    async def archive(self) -> None:
        """Have it count nothing any more."""
        tag = (await self._client.get("/api/boards/laps")).headers["ETag"]
        path = "/api/boards/laps/archive"
        archived = await self._client.post(path, headers={"If-Match": tag})
        assert archived.status_code == 200, archived.text

    async def mark(self, session_id: int, mark: str) -> None:
        """Revoke a session, or restore it, and have the standings made again."""
        await self._call("POST", f"/api/sessions/{session_id}/{mark}")
        await self.worker.work()

    async def mark_many(self, mark: str, *session_ids: int) -> None:
        """Do so to several at once, and nothing else."""
        path = f"/api/players/{self.user_id}/sessions/{mark}"
        await self._call("POST", path, session_ids=session_ids)

    async def correct(self) -> None:
        """Correct the first season."""
        await self._call("POST", "/api/boards/laps/seasons/1/correct")

    async def change_state(self, state: str) -> None:
        """Hide or ban the player, or neither any more."""
        await self._call("PUT", f"/api/players/{self.user_id}/state", state=state)
        await self.worker.work()

    async def find_maker(self) -> int | None:
        """Return the session that made the standing in the first season, by `details`."""
        path = f"/api/boards/laps/rank/{self.user_id}?season=1&details=true"
        maker: int | None = (await self._client.get(path)).json().get("session_id")
        return maker

    async def judge(self, *session_ids: int) -> list[str]:
        """Return what became of sessions."""
        verdicts = []
        for session_id in session_ids:
            told = (await self._client.get(f"/api/sessions/{session_id}")).json()
            verdicts += [one["verdict"] for one in told["boards"] if one["board"] == "laps"]
        return verdicts

    async def explain(self, before: int | None = None) -> list[int]:
        """Return the sessions that make the standing, by `explain`, page by page."""
        path = f"/api/boards/laps/explain/{self.user_id}"
        sessions: list[int] = []
        while True:
            query = {"season": 1} | ({} if before is None else {"before": before})
            told = (await self._client.get(path, params=query)).json()
            sessions += [session["session_id"] for session in told["sessions"]]
            before = told["next_before"]
            if before is None:
                return sessions


@pytest.fixture
async def board(
    client: httpx.AsyncClient, database: Database, redis: Redis, settings: Settings
) -> Board:
    return Board(client, database, SeasonWorker(database, redis, settings))


@pytest.mark.parametrize("end", ["close", "archive"])
async def test_what_is_revoked_later_makes_a_result_still(board: Board, end: str) -> None:
    first, second = await board.open("best", 100, 90)
    await (board.close() if end == "close" else board.archive())
    await board.mark(first, "revoke")
    assert await board.find_maker() == first
    assert await board.judge(first, second) == ["revoked", "kept"]
    assert await board.explain() == [first, second]


@pytest.mark.parametrize("end", ["close", "archive"])
async def test_what_is_restored_later_makes_no_result(board: Board, end: str) -> None:
    first, second, third = await board.open("best", 100, 90, 80)
    await board.mark(first, "revoke")
    await (board.close() if end == "close" else board.archive())
    await board.mark(first, "restore")
    assert await board.find_maker() == second
    assert await board.judge(first, second, third) == ["kept", "improved", "kept"]
    assert await board.explain() == [second, third]


async def test_a_sum_is_made_by_all_but_those_of_0_points(board: Board) -> None:
    first, second, third = await board.open("sum", 4, 5, 0)
    assert await board.find_maker() == second
    assert await board.judge(first, second, third) == ["improved", "improved", "kept"]


async def test_a_sum_of_nothing_is_made_by_none(board: Board) -> None:
    session_ids = await board.open("sum", 0, 0)
    assert await board.find_maker() is None
    assert await board.judge(*session_ids) == ["kept", "kept"]


async def test_a_closed_sum_is_made_by_what_counted_then(board: Board) -> None:
    one, two, three, four = await board.open("sum", 5, 7, 3, 2)
    await board.mark(one, "revoke")
    await board.close()
    # Each as it was before the first that was done to it since.
    await board.mark_many("restore", one)
    await board.mark_many("revoke", two, three)
    await board.mark_many("restore", three)
    assert await board.find_maker() == four
    assert await board.judge(one, two, three, four) == ["kept", "revoked", "improved", "improved"]
    assert await board.explain() == [four, three, two]
    await board.correct()
    assert await board.judge(one, two, three, four) == [
        "improved", "revoked", "improved", "improved",
    ]  # fmt: skip
    assert await board.explain() == [four, three, one]


@pytest.mark.parametrize("operator", ["sum", "best", "latest"])
async def test_all_sessions_are_explained_page_by_page(
    board: Board, monkeypatch: pytest.MonkeyPatch, operator: str
) -> None:
    session_ids = await board.open(operator, 5, 9, 7, 9, 0, 7, 0)
    whole = await board.explain()
    assert sorted(whole) == session_ids
    for at_once in (1, 3, 6, 7):
        monkeypatch.setattr(inspection, "_SESSIONS", at_once)
        assert await board.explain() == whole
    # From a session on that counts no more.
    await board.mark_many("revoke", whole[2])
    assert await board.explain(before=whole[2]) == whole[3:]
    assert await board.explain(before=2**53 - 1) == []


async def test_a_session_that_is_restored_is_pending_until_it_counts(board: Board) -> None:
    first, second = await board.open("best", 100, 90)
    await board.mark(first, "revoke")
    await board.mark_many("restore", first)
    assert await board.find_maker() == second
    assert await board.judge(first, second) == ["pending", "improved"]
    assert (await board.explain())[0] == second
    await board.worker.work()
    assert await board.find_maker() == first
    assert await board.judge(first, second) == ["improved", "kept"]


@pytest.mark.parametrize("operator", ["sum", "best", "latest"])
async def test_who_is_hidden_is_told_as_one_who_stands(board: Board, operator: str) -> None:
    session_ids = await board.open(operator, 5, 7, 0)
    maker, verdicts = await board.find_maker(), await board.judge(*session_ids)
    await board.change_state("hidden")
    assert (await board.find_maker(), await board.judge(*session_ids)) == (maker, verdicts)
    await board.close()
    assert (await board.find_maker(), await board.judge(*session_ids)) == (maker, verdicts)


async def test_who_did_not_stand_has_made_nothing(board: Board) -> None:
    session_ids = await board.open("best", 5, 7)
    await board.change_state("banned")
    await board.close()
    await board.change_state("active")
    assert await board.find_maker() is None
    assert await board.judge(*session_ids) == ["kept", "kept"]
