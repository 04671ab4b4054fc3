"""`GET /api/players?name=`: a part of a name, whoever has it, in milliseconds among a million."""

import json

import httpx
import pytest

from service.backends.database import Database
from service.players.service import ALONG_INDEX, BY_LETTERS
from service.settings.settings import Settings
from tests.support.api_keys import bear, make_keys, start
from tests.support.error_checks import check_error, list_fields
from tests.support.explaining import Case, explain, walk
from tests.support.shared_service import SharedService

PLAYERS = "/api/players"
MANY = 60_000

# Half of all names begin with "Max", every 100th has "Lynx" in it, and one, the last, "Ångström".
SEED = """
    INSERT INTO player (username)
    SELECT
        CASE
            WHEN number = $1::int THEN 'Dr. Ångström 100%'
            WHEN number % 100 = 0 THEN 'GoldLynx' || number
            WHEN number % 2 = 0 THEN 'Max' || number
            ELSE 'Bear' || number
        END
    FROM generate_series(1, $1::int) AS number
"""


async def search(client: httpx.AsyncClient, name: str, **more: int) -> list[str]:
    answer = await client.get(PLAYERS, params={"name": name, **more})
    assert answer.status_code == 200, answer.text
    return [player["username"] for player in answer.json()["players"]]


async def register(client: httpx.AsyncClient, *names: str) -> list[int]:
    answers = [await client.post(PLAYERS, json={"username": name}) for name in names]
    return [answer.json()["user_id"] for answer in answers]


async def test_search_players_finds_a_part_of_a_name(client: httpx.AsyncClient) -> None:
    names = [
        "Madame Ada",
        "adam",
        "Ada",
        "Łukasz",
        "李娜小姐",
        "x_X_x",
        "100%",
        "back\\slash",
        "Øse",
    ]
    await register(client, *names)
    # Those that begin with it come first.
    assert await search(client, "ADA") == ["Ada", "adam", "Madame Ada"]
    assert await search(client, "dam") == ["Madame Ada", "adam"]
    assert await search(client, "UKAS") == ["Łukasz"]
    assert await search(client, "娜小姐") == ["李娜小姐"]
    assert await search(client, "ø") == ["Øse"]
    assert await search(client, "O\u0308") == []
    # No wildcard, and nothing that quotes one.
    assert await search(client, "100%") == ["100%"]
    assert await search(client, "x_X") == ["x_X_x"]
    assert await search(client, "x%X") == []
    assert await search(client, "ck\\slas") == ["back\\slash"]
    assert await search(client, "k\\slash") == ["back\\slash"]


async def test_fewer_than_three_letters_find_who_begins_with_them(
    client: httpx.AsyncClient,
) -> None:
    await register(client, "zeta", "Bozena", "z-1", "a-z")
    assert await search(client, "z") == ["z-1", "zeta"]
    assert await search(client, "ze") == ["zeta"]
    assert await search(client, "-z") == []


async def test_list_says_whether_there_are_more(client: httpx.AsyncClient) -> None:
    ids = await register(client, *(f"ada {number}" for number in range(5)))
    for limit, more in ((4, True), (5, False)):
        answer = await client.get(PLAYERS, params={"name": "ada", "limit": limit})
        assert answer.json()["more"] is more
        assert [player["user_id"] for player in answer.json()["players"]] == ids[:limit]
    none = await client.get(PLAYERS, params={"name": "eve"})
    assert (none.status_code, none.json()) == (200, {"players": [], "more": False})


async def test_who_is_hidden_is_found_by_the_whole_name_or_a_moderator(
    settings: Settings, database: Database
) -> None:
    """As everywhere: in nobody's list, and an answer to who asks for that very player."""
    keys = await make_keys(database)
    async with start(settings) as client:
        client.headers.update(bear(keys["moderator"]))
        hidden, banned = await register(client, "Evelyn", "evergreen")
        for user_id, state in ((hidden, "hidden"), (banned, "banned")):
            body = {"state": state, "reason": "test"}
            answer = await client.put(f"{PLAYERS}/{user_id}/state", json=body)
            assert answer.status_code == 200
        assert await search(client, "eve") == ["Evelyn", "evergreen"]
        assert await search(client, "vel") == ["Evelyn"]
        for role in ("read", "submit"):
            client.headers.update(bear(keys[role]))
            assert await search(client, "eve") == ["evergreen"]
            assert await search(client, "vel") == []
            assert await search(client, "evely") == []
            # No field tells of it.
            for name in ("Evelyn", "EVELYN"):
                answer = await client.get(PLAYERS, params={"name": name})
                (found,) = answer.json()["players"]
                assert found.keys() == {"user_id", "username", "joined_at"}
                assert (found["user_id"], answer.json()["more"]) == (hidden, False)


async def test_who_was_deleted_is_never_found(client: httpx.AsyncClient) -> None:
    deleted, _ = await register(client, "everest", "evergreen")
    answer = await client.delete(f"{PLAYERS}/{deleted}", params={"reason": "test"})
    assert answer.status_code == 204
    assert await search(client, "eve") == ["evergreen"]
    assert await search(client, "rest") == []
    assert await search(client, f"deleted-{deleted}") == []
    assert await search(client, "eleted") == []


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("query", "field", "message"),
    [
        ({"name": ""}, "name", "Expected 1 to 255 characters, got 0"),
        ({"name": "x" * 256}, "name", "Expected 1 to 255 characters, got 256"),
        ({"name": "\x07"}, "name", ""),
        ({"name": "ada", "limit": 0}, "limit", ""),
        ({"name": "ada", "limit": 101}, "limit", ""),
        ({"name": "ada", "username": "ada"}, "name", "and no more than one of them"),
        ({"external_id": "1", "username": "a"}, "external_id", "and no more than one of them"),
        ({}, "username", "Expected `username`, `external_id` or `name`"),
    ],
)
async def test_search_players_refuses_bad_input(
    shared: SharedService, query: dict[str, str | int], field: str, message: str
) -> None:
    answer = check_error(await shared.client.get(PLAYERS, params=query), 400, "invalid_request")
    assert list_fields(answer) == [field]
    assert message in answer["fields"][0]["message"]


@pytest.mark.parametrize("analysed", [True, False], ids=["analysed", "not analysed"])
async def test_search_reads_few_players_however_many_match(
    database: Database,
    analysed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    await database.fetch(SEED, MANY)
    if analysed:
        await database.fetch("VACUUM ANALYZE player")
    for mode in ("force_custom_plan", "force_generic_plan"):
        # What half of all names begin with, what a hundredth has, what one has, what nobody has.
        await check_plans(database, mode, "max", (20, 20, 20), (20, 40, 31_000))
        await check_plans(database, mode, "lynx", (0, 20, 20), (0, 2_000, 600))
        await check_plans(database, mode, "ngström", (0, 0, 1), (0, 10_000, 1))
        await check_plans(database, mode, "nobody at all", (0, 0, 0), (0, 10_000, 0))


async def check_plans(
    database: Database, mode: str, part: str, found: tuple[int, ...], most: tuple[int, ...]
) -> None:
    """Assert what each statement finds of a part of a name, and how many players it reads."""
    others: tuple[object, ...] = (part, False, [0], 20)
    for stage, case in enumerate(
        (
            Case("players", "list_names_that_begin", (part, False, 20), set(), ALONG_INDEX),
            Case("players", "list_first_players", others, set(), ALONG_INDEX),
            Case("players", "list_names_with_part", others, set(), BY_LETTERS),
        )
    ):
        plan = await explain(database, case, mode, "ANALYZE, FORMAT JSON")
        assert plan["Actual Rows"] == found[stage], (mode, case)
        read = sum(
            (
                node["Actual Rows"]
                + node.get("Rows Removed by Filter", 0)
                + node.get("Rows Removed by Index Recheck", 0)
            )
            * node["Actual Loops"]
            for node in walk(plan)
            if node.get("Relation Name") == "player"
        )
        # And one to know the first id.
        assert read <= most[stage] + 1, (mode, case, json.dumps(plan, indent=1))


async def test_letters_of_any_alphabet_are_found_behind_the_first_ten_thousand(
    client: httpx.AsyncClient, database: Database
) -> None:
    await database.fetch(SEED, MANY)
    await register(client, "x 娜小姐 x", "x ЖУК x", "x !!! x", "x Őrült x")
    assert await search(client, "娜小姐") == ["x 娜小姐 x"]
    assert await search(client, "жук") == ["x ЖУК x"]
    assert await search(client, "őrü") == ["x Őrült x"]
    # No letters: names that begin with it, rather than to read all names.
    assert await search(client, "!!!") == []
    assert await search(client, "x !!!") == ["x !!! x"]


async def test_stages_share_a_list(client: httpx.AsyncClient, database: Database) -> None:
    """Who begins with it, then who is among the first players, then the others; nobody twice."""
    await register(client, "the ada", "Ada One")
    await database.fetch(SEED, MANY)
    await register(client, "Ada Two", "an ada", "Canada")
    names = ["Ada One", "Ada Two", "the ada", "an ada", "Canada"]
    assert await search(client, "ada") == names
    for limit in range(1, 6):
        answer = await client.get(PLAYERS, params={"name": "ada", "limit": limit})
        found = [player["username"] for player in answer.json()["players"]]
        assert (found, answer.json()["more"]) == (names[:limit], limit < 5)
