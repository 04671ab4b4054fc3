"""The statements of the hot paths probe their indexes, whatever the statistics say."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from service.backends.database import Database, load_sql
from service.local.embedded import PostgresServer, ValkeyServer
from service.maintenance.connections import BULK_PLANS
from service.players.service import ALONG_INDEX, BY_LETTERS
from service.settings.settings import load_settings
from service.standings.reads.seen import SESSIONS_BY_ID
from service.standings.refresh.milestones import ONE_BY_ONE
from service.status.session_count import ONLY_INDEXES
from service.transfer.exporting import BY_ID, IN_ORDER
from tests.support.databases import create_database
from tests.support.explaining import Case, explain, walk

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAYERS = 20_000
BIG_TABLES = {"player", "game_session", "standing"}
ORDER = "standing_season_id_order"
MILESTONES = "milestone_season_id_order"
# Every so many standings there is a milestone.
STRETCH = 1_000

# What the planner knows: nothing, that everything is empty, the truth, or a truth that tempts it,
# because almost everybody ties in one of two seasons and one player has half of all sessions.
STATISTICS = ("none", "of empty tables", "current", "skewed")

SEED = """
    INSERT INTO player (username, external_id)
    SELECT 'player ' || number, CASE WHEN number % 2 = 0 THEN 'own:' || number END
    FROM generate_series(1, $1::int) number
"""
SESSIONS = """
    INSERT INTO game_session (player_id, score, idempotency_key)
    SELECT
        CASE WHEN $2 AND number % 2 = 0 THEN 1 ELSE 1 + number % $1 END,
        number % 1000,
        CASE WHEN number % 3 = 0 THEN number::text END
    FROM generate_series(1, 2 * $1::int) number
"""
STANDINGS = """
    INSERT INTO standing (season_id, player_id, score, sort_score, sessions, reached_at)
    SELECT 1, id, score, -score, 1, now()
    FROM player, LATERAL (
        SELECT CASE WHEN $1 AND id % 100 > 0 THEN 0 ELSE id % 5000 END AS score
    ) AS made
"""
MILESTONE = """
    INSERT INTO milestone (season_id, position, sort_score, tie_key, player_id)
    SELECT season_id, position, sort_score, tie_key, player_id
    FROM (
        SELECT *, row_number() OVER (ORDER BY sort_score, player_id) - 1 AS position FROM standing
    ) AS counted
    WHERE position > 0 AND position % 1000 = 0
"""
PENDING = """
    INSERT INTO outbox (transaction_id, player_ids, session_ids)
    SELECT id, ARRAY[player_id], ARRAY[id] FROM game_session WHERE id % 40 = 0
"""


def make_batch(size: int) -> tuple[list[int], list[int], list[str], list[str], list[None]]:
    user_ids = [1 + line * 37 % PLAYERS for line in range(size)]
    keys = [str(3 * line) for line in range(size)]
    return user_ids, [1] * size, ["solo"] * size, keys, [None] * size


def make_registrations(size: int) -> tuple[list[str], list[str]]:
    numbers = [1 + line * 37 % (2 * PLAYERS) for line in range(size)]
    return [f"player {number}" for number in numbers], [f"own:{number}" for number in numbers]


CASES = [
    *(
        Case("sessions", "record_sessions", make_batch(size), {"player_pkey"})
        for size in (1, 20, 500)
    ),
    *(
        Case(
            "sessions",
            "record_keyless_sessions",
            (*make_batch(size)[:3], [None] * size),
            {"player_pkey"},
        )
        for size in (1, 20, 500)
    ),
    *(
        Case(
            "sessions",
            "find_keyed_sessions",
            (make_batch(size)[0], *make_batch(size)[3:]),
            {"game_session_player_id_idempotency_key", "player_pkey"},
        )
        for size in (1, 500)
    ),
    Case("standings/refresh", "find_pending", (), {"outbox_transaction_id"}),
    *(
        Case("standings/refresh", "fold_sessions", (size,), {"game_session_pkey", "standing_pkey"})
        for size in (1, 10_000)
    ),
    *(
        Case(
            "standings/reads",
            "follow_sessions",
            (make_batch(size)[0], list(range(1, size + 1)), [1] * size),
            {"game_session_pkey", "player_pkey", "outbox_transaction_id"},
        )
        for size in (1, 500)
    ),
    Case(
        "standings/reads",
        "find_players_of_sessions",
        (list(range(39_000, 39_100)),),
        {"game_session_id"},
        SESSIONS_BY_ID,
    ),
    Case(
        "standings/reads",
        "list_former_ranks",
        (1, 100, 5.0),
        {"game_session_id", "rank_block_pkey"},
        SESSIONS_BY_ID,
    ),
    *(Case("standings", "select_top", (1, limit), {ORDER, "player_pkey"}) for limit in (1, 100)),
    *(
        Case(
            "standings/index",
            "find_exact_totals",
            (1, list(range(1, size + 1))),
            {"standing_pkey"},
        )
        for size in (1, 256)
    ),
    *(
        Case(
            "standings/reads",
            "read_standings",
            (1, list(range(1, size + 1))),
            {"standing_pkey", "player_pkey"},
        )
        for size in (1, 1_000)
    ),
    *(
        Case(
            "standings/reads",
            "select_details",
            (1, list(range(1, size + 1))),
            {"standing_pkey", "game_session_pkey"},
        )
        for size in (1, 100)
    ),
    *(
        Case("standings/reads", name, (1, -10, 0, 9_999, 100), {ORDER, "player_pkey"})
        for name in ("select_after", "select_before")
    ),
    Case("seasons", "seal_seasons", ([1], 2**60), {"outbox_transaction_id"}),
    Case(
        "seasons",
        "find_fill_end",
        (9_000, 1_000),
        {"player_pkey"},
        settings="SET LOCAL enable_seqscan = off",
    ),
    Case(
        "seasons",
        "fill_season",
        (1, 19_000, 19_100),
        {"game_session_pkey"},
        settings="SET LOCAL enable_seqscan = off",
    ),
    Case(
        "seasons",
        "fill_seasons",
        ([1], 19_000, 19_100),
        {"game_session_pkey"},
        settings="SET LOCAL enable_seqscan = off",
    ),
    Case("moderation", "erase_from_sessions", ([9_999],), {"game_session_pkey"}),
    Case("moderation", "list_counted_sessions", (1, 9_999, 100, 9_999), {"game_session_pkey"}),
    Case("standings/reads", "find_newcomer", (9_999,), {"player_pkey", "game_session_pkey"}),
    Case("standings/reads", "read_total", (1, 9_999), {"game_session_pkey", "standing_pkey"}),
    Case("standings/reads", "read_hidden", (1, 9_999), {"player_not_standing"}),
    Case("standings/refresh", "make_standings_again", (9_999,), {"game_session_pkey"}),
    Case("standings/reads", "read_progress", ([1],), {"outbox_transaction_id"}),
    Case("standings/reads", "find_place", (1, -10, 0, 9_999), {ORDER}),
    Case("standings/refresh", "store_milestones", (1, 0, -(2**53), 0, 0, 200), {ORDER}, ONE_BY_ONE),
    *(
        Case(
            "standings/reads",
            "select_neighbours",
            (1, 9_999, radius),
            {"standing_pkey", ORDER, "player_pkey"},
        )
        for radius in (1, 50)
    ),
    *(
        Case("standings/reads", "select_page", (1, position, limit), {ORDER, "player_pkey"})
        for position, limit in ((0, 1_000), (9_000, 100))
    ),
    *(
        Case("players", "find_usernames", (list(range(1, size + 1)),), {"player_pkey"})
        for size in (1, 256, 10_000)
    ),
    *(
        Case(
            "players",
            "list_player_sessions",
            (user_id, 2**63 - 1, limit),
            {"game_session_pkey"},
        )
        for user_id in (1, 9_999)
        for limit in (2, 101)
    ),
    *(
        Case("players", "find_user_ids", (make_registrations(size)[1],), {"player_external_id_key"})
        for size in (1, 500)
    ),
    *(
        Case(
            "players",
            name,
            make_registrations(size),
            {"player_username_key", "player_external_id_key"},
        )
        for name in ("register_players", "find_registered")
        for size in (1, 10_000)
    ),
    *(
        Case(
            "transfer",
            "find_imported_players",
            (make_batch(size)[0], *make_registrations(size)[::-1], ["2026-11-23"] * size),
            {"player_pkey", "player_username_key", "player_external_id_key"},
        )
        for size in (1, 2_000)
    ),
    *(
        Case(
            "transfer",
            "find_imported_sessions",
            (*make_batch(size)[::3], make_batch(size)[0], make_batch(size)[4]),
            {"game_session_player_id_idempotency_key", "game_session_pkey"},
        )
        for size in (1, 2_000)
    ),
    Case("transfer", "export_players", (9_999, 2_000), {"player_pkey"}, BY_ID),
    Case(
        "transfer",
        "export_sessions",
        (2 * PLAYERS - 10_000, 2 * PLAYERS),
        {"game_session_id", "player_pkey"},
        SESSIONS_BY_ID,
    ),
    Case("transfer", "export_standings", (1,), {ORDER, "player_pkey"}, IN_ORDER),
    Case("players", "find_player", (9_999,), {"player_pkey"}),
    Case("players", "find_player_by_external_id", ("own:10000",), {"player_external_id_key"}),
    Case("status", "read_figures", ("global",), {"player_pkey"}),
    Case("status", "read_pending", (1_000,), {"outbox_transaction_id", "game_session_pkey"}),
    Case(
        "status",
        "count_sessions",
        (2 * PLAYERS - 10, "run-"),
        {"game_session_id"},
        ONLY_INDEXES,
    ),
    Case("maintenance", "count_outbox", (), {"game_session_pkey"}, BULK_PLANS),
    *(
        case
        for part in ("player", "9999")
        for case in (
            Case(
                "players",
                "list_names_that_begin",
                (part, False, 20),
                {"player_name_start"},
                ALONG_INDEX,
            ),
            Case(
                "players",
                "list_first_players",
                (part, False, [1], 20),
                {"player_pkey"},
                ALONG_INDEX,
            ),
            Case(
                "players",
                "list_names_with_part",
                (part, False, [1], 20),
                {"player_name_part"},
                BY_LETTERS,
            ),
        )
    ),
    Case("players", "find_player_by_username", ("player 9999",), {"player_username_key"}),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=STATISTICS)
async def filled_database(
    postgres: PostgresServer,
    valkey: ValkeyServer,
    template_database: str,
    request: pytest.FixtureRequest,
) -> AsyncIterator[Database]:
    skewed = request.param == "skewed"
    async with create_database(postgres, template_database) as url:
        settings = load_settings(database_url=url, redis_url=valkey.url)
        database = Database(settings, application_name="leaderboard tests")
        await database.open()
        if request.param == "of empty tables":
            await database.fetch("ANALYZE")
        await database.fetch(SEED, PLAYERS)
        await database.fetch(SESSIONS, PLAYERS, skewed)
        await database.fetch(STANDINGS, skewed)
        await database.fetch(MILESTONE)
        await database.fetch(PENDING)
        if skewed or request.param == "current":
            await database.fetch("ANALYZE")
        yield database
        await database.close()


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_no_standing_is_sorted_to_find_a_milestone(
    filled_database: Database, mode: str
) -> None:
    (case,) = (case for case in CASES if case.name == "store_milestones")
    # As after all standings of a million were made again: what the planner knows speaks for it.
    dear = replace(case, settings=f"SET LOCAL random_page_cost = 100000; {case.settings}")
    plan = await explain(filled_database, dear, mode, "FORMAT JSON")
    assert {"Sort", "Incremental Sort"}.isdisjoint(node["Node Type"] for node in walk(plan))


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("case", CASES, ids=str)
async def test_statement_probes_its_indexes(
    filled_database: Database, case: Case, mode: str
) -> None:
    plan = await explain(filled_database, case, mode, "FORMAT JSON")
    nodes = list(walk(plan))
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert scanned & BIG_TABLES == set(), json.dumps(plan, indent=1)
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    for node in nodes:
        used |= set(node.get("Conflict Arbiter Indexes", []))
    assert case.indexes <= used, json.dumps(plan, indent=1)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("noun", "name", "parameters", "rows"),
    [
        ("standings", "select_top", (1, 100), 100),
        ("standings/reads", "select_neighbours", (1, 500, 50), 101),
        ("standings/reads", "select_page", (1, 500, 100), 100),
    ],
)
async def test_statement_reads_no_more_players_than_it_lists(
    filled_database: Database,
    noun: str,
    name: str,
    parameters: tuple[object, ...],
    rows: int,
    mode: str,
) -> None:
    case = Case(noun, name, parameters, set())
    plan = await explain(filled_database, case, mode, "ANALYZE, FORMAT JSON")
    read = sum(
        node["Actual Rows"] * node["Actual Loops"]
        for node in walk(plan)
        if node.get("Relation Name") == "player"
    )
    assert read <= rows, json.dumps(plan, indent=1)


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize(
    ("name", "parameters", "rows"),
    [
        # The better ones and those that come before, each from a milestone.
        ("find_place", (1, -10, 0, 9_999), 2 * STRETCH),
        ("find_place", (1, 0, 0, 2**62), 2 * STRETCH),
        ("select_page", (1, 19_500, 100), STRETCH),
        ("select_page", (1, 10**12, 100), STRETCH),
        ("select_neighbours", (1, 9_999, 50), 103),
    ],
)
async def test_read_without_redis_is_as_cheap_at_the_end_of_a_season_as_at_its_beginning(
    filled_database: Database, name: str, parameters: tuple[object, ...], rows: int, mode: str
) -> None:
    case = Case("standings/reads", name, parameters, set())
    plan = await explain(filled_database, case, mode, "ANALYZE, FORMAT JSON")
    read = sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in walk(plan)
        if node.get("Relation Name") == "standing"
    )
    # What is at a milestone itself is read too.
    assert read <= rows + 2, json.dumps(plan, indent=1)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("read_standings", (1, [9_999])),
        ("select_page", (1, 9_000, 100)),
        ("select_neighbours", (1, 9_999, 5)),
    ],
)
async def test_read_without_redis_is_not_planned_each_time(
    filled_database: Database, name: str, parameters: tuple[object, ...]
) -> None:
    async with filled_database.connect() as connection:
        statement = await connection.prepare(load_sql("standings/reads", name))
        for _ in range(10):
            await statement.fetch(*parameters)
        (plans,) = await connection.fetch(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = $1",
            statement.get_name(),
        )
    # PostgreSQL compares five plans of either kind first.
    assert tuple(plans) == (5, 5)
