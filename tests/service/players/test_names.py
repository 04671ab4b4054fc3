"""Which names players may have: what can be seen, in NFC, and not those of deleted players."""

import unicodedata

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidRequest
from service.players.names import LONGEST_USERNAME, clean_username
from service.validation import find_name_fault
from tests.support.error_checks import check_error, list_fields
from tests.support.shared_service import SharedService

in_module = pytest.mark.asyncio(loop_scope="module")

PLAYERS = "/api/players"
JSON = {"Content-Type": "application/json"}

CONTROLS = ["\0", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"]
BLANKS = [
    " ", "   ", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad",
    "\u115f", "\u1160", "\u3164", "\uffa0", "\u2800", "\u180e", "\u034f", "\u17b5", "\ufe0f",
    "\u0301", "\u20dd", "\u064e", "\u0e31", "\U000e0041", "\U000e0100", "\U0001d159",
    " \u200b\u3164\u2800\u0301 ",
]  # fmt: skip
NAMES = [
    "x", "x" * 255, "[/red]", "a b", " a", "Ö" * 255, "👩‍👩‍👧",
    "=1+1", "'", "-", "😀", "\U0001faea",
    "שלום", "नमस्ते", "한글", "deleted", "deleted-", "deleted-x", "Deleted-1", "deleted-1 ", "null",
]  # fmt: skip


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


@in_module
@pytest.mark.parametrize("username", NAMES)
async def test_name_that_can_be_seen_is_kept(client: httpx.AsyncClient, username: str) -> None:
    made = await client.post(PLAYERS, json={"username": username})
    assert made.status_code == 201, made.text
    assert made.json()["username"] == username
    found = await client.get(PLAYERS, params={"username": username})
    assert (found.status_code, found.json()) == (200, made.json())


@in_module
async def test_name_that_cannot_be_seen_is_refused_wherever_it_is_given(
    client: httpx.AsyncClient,
) -> None:
    names = ["", *BLANKS, *CONTROLS, *(f"ada{control}" for control in CONTROLS), "x" * 256]
    for name in names:
        for field in ("username", "external_id"):
            body = {"username": "ada", field: name}
            answer = check_error(await client.post(PLAYERS, json=body), 400, "invalid_request")
            assert list_fields(answer) == [field], repr(name)
            found = await client.get(PLAYERS, params={field: name})
            assert list_fields(check_error(found, 400, "invalid_request")) == [field], repr(name)
    lines = (
        await client.post(f"{PLAYERS}/bulk", json=[{"username": name} for name in names])
    ).json()
    assert [line["fields"][0]["field"] for line in lines] == ["username"] * len(names)
    check_error(await client.get(PLAYERS, params={"username": "ada"}), 404, "user_not_found")


@in_module
async def test_refusal_says_what_is_wrong(client: httpx.AsyncClient) -> None:
    for name, words in {
        "a\nb": "without control characters, got U+000A",
        "\u3164": "something to see",
        "x" * 256: "1 to 255 characters, got 256",
    }.items():
        (field,) = (await client.post(PLAYERS, json={"username": name})).json()["fields"]
        assert words in field["message"]


@in_module
async def test_name_is_kept_in_nfc(client: httpx.AsyncClient) -> None:
    made = await client.post(PLAYERS, json={"username": "Rene\u0301"})
    assert made.json()["username"] == "Ren\u00e9"
    for spelling in ("Rene\u0301", "Ren\u00e9"):
        again = await client.post(PLAYERS, json={"username": spelling})
        check_error(again, 409, "username_taken")
        found = await client.get(PLAYERS, params={"username": spelling})
        assert found.json() == made.json()


@in_module
async def test_length_is_that_of_the_name_as_it_is_kept(client: httpx.AsyncClient) -> None:
    # One character, decomposed as far as any can be; and one that NFC makes three of.
    shrinking, growing = unicodedata.normalize("NFD", "\u1fa7"), "\ufb2c"
    assert (len(shrinking), len(unicodedata.normalize("NFC", growing))) == (4, 3)
    kept = await client.post(PLAYERS, json={"username": shrinking * 255})
    assert kept.json()["username"] == "\u1fa7" * 255
    for name in (shrinking * 256, growing * 86, "\u0300" * 30_000):
        body = f'{{"username":"{name}"}}'
        refused = await client.post(PLAYERS, content=body, headers=JSON)
        assert list_fields(check_error(refused, 400, "invalid_request")) == ["username"]


@in_module
@pytest.mark.parametrize(
    "username", ["deleted-1", "deleted-0", "deleted-007", "deleted-" + "9" * 30]
)
async def test_name_of_a_deleted_player_is_reserved(
    client: httpx.AsyncClient, username: str
) -> None:
    refused = await client.post(PLAYERS, json={"username": username})
    check_error(refused, 409, "username_reserved")
    (line,) = (await client.post(f"{PLAYERS}/bulk", json=[{"username": username}])).json()
    assert (line["status"], line["code"]) == ("error", "username_reserved")
    # Looking one up is another matter.
    found = await client.get(PLAYERS, params={"username": username})
    check_error(found, 404, "user_not_found")


@given(st.text(max_size=LONGEST_USERNAME))
def test_cleaned_name_is_clean(text: str) -> None:
    try:
        cleaned = clean_username(text)
    except InvalidRequest:
        return
    assert clean_username(cleaned) == cleaned == unicodedata.normalize("NFC", text)
    assert find_name_fault(cleaned, LONGEST_USERNAME) is None
