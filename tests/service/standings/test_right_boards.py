"""P4 and P7: every read of every board and every season agrees with a naive model."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import count, pairwise, product
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from service.api.app import create_app
from service.backends.database import Database
from service.backends.redis import connect_redis
from service.local.embedded import PostgresServer, ValkeyServer
from service.maintenance.audit import audit
from service.settings.settings import Settings, load_settings
from service.standings.refresh.rerank import rerank
from tests.support.board_model import LIMIT, RuleModel, SeasonModel, Session
from tests.support.databases import create_database, flush
from tests.support.factories import make_players
from tests.support.index_checks import NOBODY_LISTENS
from tests.support.season_work import SeasonWorker
from tests.support.serving import connect_client, run_app

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAYERS = 6
PERCENTS = ("0.00000001", "1", "10", "33.4", "50", "100")

ADD_SESSIONS = """
WITH given AS (
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::varchar[], $4::timestamptz[])
        WITH ORDINALITY AS given (player_id, score, game_mode, submitted_at, line)
),
recorded AS (
    INSERT INTO game_session (player_id, score, game_mode, submitted_at)
    SELECT player_id, score, game_mode, submitted_at FROM given ORDER BY line
    RETURNING *
),
pending AS (
    INSERT INTO outbox (player_ids, session_ids)
    SELECT array_agg(player_id), array_agg(id) FROM recorded HAVING count(*) > 0
)
SELECT id, player_id, score, game_mode, submitted_at FROM recorded
"""

# Not by TRUNCATE: it waits for whatever reads, and what the service reads by the way may in turn
# wait for it, which is a deadlock.
EMPTY = """
    DELETE FROM outbox;
    DELETE FROM milestone;
    DELETE FROM rank_block;
    DELETE FROM dropped_season;
    DELETE FROM standing;
    DELETE FROM game_session;
    DELETE FROM player;
    DELETE FROM season WHERE board_id <> (SELECT id FROM board WHERE slug = 'global');
    DELETE FROM board WHERE slug <> 'global';
    UPDATE season_refresh SET players = 0, number = 0;
    UPDATE latest_refresh SET number = 0;
    UPDATE database_state
    SET epoch = gen_random_uuid(), rerank_number = 0, seasons_until = NULL;
"""

_examples = count(1)

# Few players and few scores, so that ties are the rule; the limits, so that sums go beyond them.
scores = st.sampled_from([-LIMIT, -1, 0, 0, 1, 1, 2, LIMIT]) | st.integers(-4, 4)
submits = st.lists(
    st.tuples(st.integers(0, PLAYERS - 1), scores, st.sampled_from("ab"), st.integers(0, 9)),
    min_size=1,
    max_size=12,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), submits),
        # Dated into what is over for some boards by now.
        st.tuples(st.just("import"), submits),
        st.tuples(st.just("close"), st.integers(0, 3)),
        st.sampled_from([("fold", None), ("rerank", None), ("flush", None)]),
    ),
    max_size=10,
)
bounds = st.sampled_from([None, -1, 0, 1])
rules = st.builds(
    RuleModel,
    operator=st.sampled_from(["sum", "best", "latest"]),
    direction=st.sampled_from(["high", "low"]),
    ties=st.sampled_from(["shared", "first"]),
    game_mode=st.sampled_from([None, None, "a"]),
    min_score=bounds,
    max_score=bounds,
    format=st.sampled_from(
        [
            {"kind": "integer"},
            {"kind": "decimal", "scale": 1},
            {"kind": "decimal", "scale": 6},
            {"kind": "duration", "unit": "ms"},
            {"kind": "duration", "unit": "s"},
        ]
    ),
).filter(
    lambda rule: (
        rule.min_score is None or rule.max_score is None or rule.min_score <= rule.max_score
    )
)
EVERY_KIND = [
    RuleModel(*kind)
    for kind in product(["sum", "best", "latest"], ["high", "low"], ["shared", "first"])
]
LONG_HISTORY: list[tuple[str, Any]] = [
    ("submit", [(0, 5, "a", 3), (1, 5, "b", 1), (2, 5, "a", 0), (3, -2, "a", 0), (0, 0, "b", 0)]),
    ("fold", None),
    ("submit", [(1, 0, "a", 9), (2, 3, "b", 2), (4, LIMIT, "a", 0), (4, 3, "a", 0)]),
    *(("close", number) for number in range(12)),
    ("submit", [(0, 1, "a", 2), (1, 1, "a", 1), (3, 0, "a", 0), (5, -LIMIT, "b", 0)]),
    ("flush", None),
    ("fold", None),
    ("import", [(0, 9, "a", 0), (5, -9, "b", 1)]),
    ("submit", [(5, -7, "a", 0), (5, 9, "b", 0), (1, -1, "a", 5)]),
    ("close", 0),
    ("rerank", None),
    ("submit", [(2, 2, "a", 0), (2, 2, "b", 0)]),
]


@dataclass
class BoardHistory:
    """A board, its rule, and the results of its seasons that are closed."""

    slug: str
    rule: RuleModel
    closed: dict[int, SeasonModel] = field(default_factory=dict)


@dataclass
class Stack:
    """The service with its servers, and the service without Redis."""

    settings: Settings
    database: Database
    redis: Redis
    worker: SeasonWorker
    client: httpx.AsyncClient
    degraded: httpx.AsyncClient


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(
    postgres: PostgresServer, valkey: ValkeyServer, template_database: str
) -> AsyncIterator[Stack]:
    async with create_database(postgres, template_database) as url:
        # Nobody refreshes but the test.
        settings = load_settings(
            database_url=url, redis_url=flush(valkey), stale_after_seconds=600.0
        )
        without_redis = settings.model_copy(update={"redis_url": NOBODY_LISTENS})
        database = Database(settings, application_name="leaderboard tests")
        await database.open()
        redis = connect_redis(settings)
        worker = SeasonWorker(database, redis, settings)
        async with (
            run_app(create_app(settings)) as app,
            run_app(create_app(without_redis)) as degraded_app,
            connect_client(app) as client,
            connect_client(degraded_app) as degraded,
        ):
            yield Stack(settings, database, redis, worker, client, degraded)
        await redis.aclose()
        await database.close()


class History:
    """What happens to some boards, and the model of it."""

    def __init__(self, stack: Stack, boards: Sequence[BoardHistory], names: dict[int, str]) -> None:
        self.stack = stack
        self.boards = boards
        self.names = names
        self.user_ids = sorted(names)
        self.sessions: list[Session] = []

    @classmethod
    async def begin(cls, stack: Stack, rules: Sequence[RuleModel]) -> "History":
        """Make the boards, of an empty ledger, and players without a score."""
        async with stack.database.connect() as connection:
            await connection.execute(EMPTY)
        await stack.redis.flushall()
        await make_players(stack.database, PLAYERS)
        boards = []
        for rule in rules:
            slug = f"board-{next(_examples)}"
            made = await stack.client.put(
                f"/api/boards/{slug}", json=asdict(rule) | {"count_from": "ever"}
            )
            assert made.status_code == 201, made.text
            boards.append(BoardHistory(slug, rule))
        rows = await stack.database.fetch("SELECT id, username FROM player")
        history = cls(stack, boards, {row["id"]: row["username"] for row in rows})
        await stack.worker.work()
        return history

    async def take(self, kind: str, detail: Any) -> None:
        """Have something happen."""
        if kind == "submit":
            await self.add(detail, await self.read_time())
        elif kind == "import":
            await self.add(detail, await self.read_time() - timedelta(days=1))
        elif kind == "fold":
            await self.work()
        elif kind == "rerank":
            await rerank(self.stack.database)
        elif kind == "flush":
            await self.stack.redis.flushall()
        else:
            board = self.boards[detail % len(self.boards)]
            closed = await self.stack.client.post(f"/api/boards/{board.slug}/seasons/current/close")
            assert closed.status_code == 200, closed.text

    async def work(self) -> None:
        """Have everything folded, and every season closed that is over."""
        await self.stack.worker.work()
        for board in self.boards:
            for season in await self.list_seasons(board):
                number = season["number"]
                if season["state"] == "closed" and number not in board.closed:
                    board.closed[number] = self.make_model(board, season)

    async def read_time(self) -> datetime:
        time = await self.stack.database.fetch("SELECT ledger_now() AS now")
        now = time[0]["now"]
        assert isinstance(now, datetime)
        return now

    async def add(self, submitted: Sequence[tuple[int, int, str, int]], begin: datetime) -> None:
        """Write sessions that are dated some milliseconds later each, in no order."""
        rows = await self.stack.database.fetch(
            ADD_SESSIONS,
            [self.user_ids[player] for player, *_ in submitted],
            [score for _, score, *_ in submitted],
            [mode for *_, mode, _ in submitted],
            [begin + timedelta(milliseconds=later) for *_, later in submitted],
        )
        self.sessions += [Session(*row) for row in rows]

    async def list_seasons(self, board: BoardHistory) -> list[dict[str, Any]]:
        """Return the seasons, oldest first, which follow each other without a gap."""
        answer = await self.stack.client.get(f"/api/boards/{board.slug}/seasons")
        assert answer.status_code == 200, answer.text
        seasons: list[dict[str, Any]] = answer.json()["seasons"][::-1]
        assert [season["number"] for season in seasons] == list(range(1, len(seasons) + 1))
        assert seasons[0]["starts_at"] is None
        for earlier, later in pairwise(seasons):
            assert earlier["ends_at"] == later["starts_at"]
        assert seasons[-1]["ends_at"] is None
        return seasons

    def make_model(self, board: BoardHistory, season: dict[str, Any]) -> SeasonModel:
        """Return a season as the ledger has it, or as it was when it was closed."""
        if season["number"] in board.closed:
            return board.closed[season["number"]]
        begin, end = (
            season[name] and datetime.fromisoformat(season[name])
            for name in ("starts_at", "ends_at")
        )
        return SeasonModel(
            board.rule,
            self.names,
            (
                session
                for session in self.sessions
                if (begin is None or session.submitted_at >= begin)
                and (end is None or session.submitted_at < end)
            ),
        )

    async def check(self, *clients: httpx.AsyncClient) -> None:
        """Assert that these clients read everything as it is in the model."""
        await self.work()
        await rerank(self.stack.database)
        for board in self.boards:
            for season in await self.list_seasons(board):
                model = self.make_model(board, season)
                assert season["players"] == len(model.standings)
                for client in clients:
                    reader = Reader(client, board.slug, season, model)
                    reader.is_stale = client is self.stack.degraded and season["state"] != "closed"
                    await reader.check(self.user_ids)
        assert await audit(self.stack.settings)


class Reader:
    """Reads one season over HTTP."""

    is_stale = False

    def __init__(
        self, client: httpx.AsyncClient, slug: str, season: dict[str, Any], model: SeasonModel
    ) -> None:
        self.client = client
        self.slug = slug
        self.season = season
        self.model = model
        self.entries = model.list_entries()

    async def read(self, path: str, **parameters: Any) -> dict[str, Any]:
        """Return an answer without its time, and what every answer has."""
        url, query = f"/api/boards/{self.slug}/{path}", {"season": self.season["number"]}
        if path == "ranks":
            response = await self.client.post(url, params=query, json=parameters)
        else:
            response = await self.client.get(url, params=query | parameters)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert answer.pop("board") == self.slug
        assert answer.pop("season") == {
            name: self.season[name]
            for name in ("number", "state", "revision", "starts_at", "ends_at")
        }
        assert answer.pop("players") == len(self.entries)
        assert answer.pop("stale", False) is self.is_stale, path
        del answer["as_of"]
        return answer

    async def check(self, user_ids: Sequence[int]) -> None:
        """Assert that every kind of read agrees with the model."""
        for limit in (1, 3, 100):
            assert (await self.read("top", limit=limit))["entries"] == self.entries[:limit]
        for offset, limit in ((0, 1_000), (1, 2), (len(self.entries), 1), (3, 3)):
            page = await self.read("page", offset=offset, limit=limit)
            assert page["entries"] == self.entries[offset : offset + limit]
        await self.check_cursors()
        positions = {entry["user_id"]: line for line, entry in enumerate(self.entries)}
        await asyncio.gather(*(self.check_player(positions, user_id) for user_id in user_ids))
        await self.check_friends(positions, [*user_ids[::-1], 2**53 - 1, user_ids[0]])
        for score in {-LIMIT, -1, 0, 1, LIMIT, *(entry["score"] for entry in self.entries)}:
            place = self.model.find_place(score)
            del place["players"]
            assert await self.read("place", score=score) == place, score
        cutoffs = (await self.read("cutoffs", percent=",".join(PERCENTS)))["cutoffs"]
        nothing = {"rank": None, "score": None, "score_text": None}
        assert cutoffs == [
            {"percent": float(percent)} | (self.model.find_cutoff(Fraction(percent)) or nothing)
            for percent in PERCENTS
        ]

    async def check_cursors(self) -> None:
        """Walk down by `after` and up by `before`, which meets everybody once."""
        for forth, back, expected in (("next", "after", self.entries), ("prev", "before", None)):
            start = {} if expected is not None else {"offset": max(0, len(self.entries) - 1)}
            page = await self.read("page", limit=2, **start)
            seen = page["entries"]
            while page[forth] is not None:
                page = await self.read("page", limit=2, **{back: page[forth]})
                seen = [*seen, *page["entries"]] if expected is not None else page["entries"] + seen
            assert seen == self.entries

    async def check_player(self, positions: dict[int, int], user_id: int) -> None:
        rank, around = await asyncio.gather(
            self.read(f"rank/{user_id}"), self.read(f"around/{user_id}", radius=2)
        )
        if user_id not in positions:
            assert (rank["score"], rank["score_text"], rank["rank"]) == (None, None, None)
            assert rank["percentile"] is None
            assert around["entries"] == []
            return
        position = positions[user_id]
        entry = self.entries[position]
        behind = sum(other["rank"] >= entry["rank"] for other in self.entries)
        percentile = round(100 * behind / len(self.entries), 2)
        assert rank == entry | {"percentile": percentile}
        assert around["entries"] == self.entries[max(0, position - 2) : position + 3]

    async def check_friends(self, positions: dict[int, int], user_ids: Sequence[int]) -> None:
        friends = await self.read("ranks", user_ids=user_ids)
        among = [entry for entry in self.entries if entry["user_id"] in user_ids]
        assert friends["entries"] == [
            entry | {"position": position} for position, entry in enumerate(among, 1)
        ]
        assert friends["missing"] == [
            user_id for user_id in dict.fromkeys(user_ids) if user_id not in positions
        ]


@hypothesis_settings(max_examples=6, derandomize=True)
@given(rules=st.lists(rules, min_size=1, max_size=4), steps=steps)
@example(rules=EVERY_KIND, steps=LONG_HISTORY)
async def test_every_read_of_every_season_agrees_with_the_model(
    stack: Stack, rules: list[RuleModel], steps: list[tuple[str, Any]]
) -> None:
    history = await History.begin(stack, rules)
    for kind, detail in steps:
        await history.take(kind, detail)
    await history.check(stack.client, stack.degraded)
    await stack.redis.flushall()
    await history.check(stack.client)
