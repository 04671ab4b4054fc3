"""`GET /api/players/{user_id}/sessions`: order, pages, nobody's sessions, bad input."""

import httpx
import pytest

from service.backends.database import Database
from tests.support.factories import make_player, make_players, record_scores
from tests.support.shared_service import NOBODY, SharedService

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


@pytest.fixture
def database(shared: SharedService) -> Database:
    return shared.database


async def test_list_player_sessions_newest_first_page_by_page(
    client: httpx.AsyncClient, database: Database
) -> None:
    user_id, other_id = await make_players(database, 2)
    scores = [(user_id, 1), (other_id, 9), (user_id, 2), (user_id, 3), (user_id, 4)]
    ids = await record_scores(database, *scores)
    path = f"/api/players/{user_id}/sessions"
    first = (await client.get(path, params={"limit": 2})).json()
    assert [(line["session_id"], line["score"]) for line in first["sessions"]] == [
        (ids[4], 4),
        (ids[3], 3),
    ]
    assert first["sessions"][0].keys() == {"session_id", "score", "game_mode", "submitted_at"}
    assert first["next_before"] == ids[3]
    rest = (await client.get(path, params={"limit": 2, "before": ids[3]})).json()
    assert [line["session_id"] for line in rest["sessions"]] == [ids[2], ids[0]]
    assert rest["next_before"] is None


async def test_no_sessions_is_not_no_player(client: httpx.AsyncClient, database: Database) -> None:
    user_id = await make_player(database)
    none = await client.get(f"/api/players/{user_id}/sessions")
    assert (none.status_code, none.json()) == (200, {"sessions": [], "next_before": None})
    nobody = await client.get(f"/api/players/{NOBODY}/sessions")
    assert nobody.status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        *("0/sessions", "x/sessions", f"{2**63}/sessions"),
        *(f"1/sessions?limit={bad}" for bad in ("0", "101", "-1", "x", "")),
        *(f"1/sessions?before={bad}" for bad in ("0", "-1", "x", "1.5", str(2**63))),
    ],
)
async def test_list_player_sessions_refuses_bad_input(
    client: httpx.AsyncClient, target: str
) -> None:
    assert (await client.get(f"/api/players/{target}")).status_code == 400
