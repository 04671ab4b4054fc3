"""Bad addresses: always a 4xx in the one shape that names what is wrong."""

import httpx
import pytest

from tests.support.error_checks import check_error, list_fields
from tests.support.shared_service import SharedService

SUBMIT = "/api/leaderboard/submit"
TOP = "/api/leaderboard/top"
PLAYERS = "/api/players"

# One application for the whole module, because nothing here may leave a trace.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def client(shared: SharedService) -> httpx.AsyncClient:
    return shared.client


@pytest.mark.parametrize("path", [TOP, "/api/leaderboard/stream", "/api/leaderboard/around/1"])
@pytest.mark.parametrize(
    "value",
    [
        *("0", "-1", "101", "1.5", "abc", "", "true", "null", "NaN", "1;2", "%00", "%ff", "٣"),
        *("5.0", "5e0", "1.0000000000000000000001"),
        *("9223372036854775808", "-9223372036854775809", "9" * 5_000),
    ],
)
async def test_wrong_limit_is_refused(client: httpx.AsyncClient, path: str, value: str) -> None:
    name = "radius" if "around" in path else "limit"
    answer = check_error(await client.get(f"{path}?{name}={value}"), 400, "invalid_request")
    assert list_fields(answer) == [name]


@pytest.mark.parametrize(
    "query", ["offset=-1", "offset=1.0", "limit=0", "limit=1001", "limit=", "limit=1&limit=1"]
)
async def test_wrong_page_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/api/leaderboard/page?{query}")
    answer = check_error(response, 400, "invalid_request")
    assert list_fields(answer) == [query.partition("=")[0]]


async def test_radius_beyond_the_limit_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/leaderboard/around/1?radius=51")
    assert list_fields(check_error(response, 400, "invalid_request")) == ["radius"]


@pytest.mark.parametrize(
    "prefix", ["/api/leaderboard/rank", "/api/leaderboard/around", "/api/players"]
)
@pytest.mark.parametrize(
    "value",
    [
        *(
            "0",
            "-1",
            "1.0",
            "1e0",
            "1.5",
            "abc",
            "null",
            "NaN",
            "%00",
            "%ff",
            "1%00",
            "%201",
            "٣",
            "1,2",
            "%2e%2e",
        ),
        *("9223372036854775807", "9223372036854775808", "9" * 19, "9" * 5_000, "x" * 5_000),
    ],
)
async def test_absurd_id_is_refused(client: httpx.AsyncClient, prefix: str, value: str) -> None:
    answer = check_error(await client.get(f"{prefix}/{value}"), 400, "invalid_request")
    assert list_fields(answer) == ["user_id"]


@pytest.mark.parametrize("query", ["", "?username=", "?username=" + "x" * 256, "?username=a%00"])
async def test_wrong_name_to_look_up_is_refused(client: httpx.AsyncClient, query: str) -> None:
    answer = check_error(await client.get(f"{PLAYERS}{query}"), 400, "invalid_request")
    assert list_fields(answer) == ["username"]


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/api", "/api/leaderboard", "/api/leaderboard/rank"),
        *("/api/leaderboard/rank/1/2", "/api/players/1/x", "/%00", "/%ff", "/" + "x" * 5_000),
    ],
)
async def test_unknown_address_is_404(client: httpx.AsyncClient, path: str) -> None:
    check_error(await client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TOP),
        ("DELETE", TOP),
        ("BREW", TOP),
        ("GET", SUBMIT),
        ("PUT", SUBMIT),
        ("POST", "/api/leaderboard/rank/1"),
        ("PATCH", "/api/players"),
        ("DELETE", PLAYERS),
        ("POST", "/health/live"),
    ],
)
async def test_wrong_method_is_405(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    check_error(response, 405, "method_not_allowed")
    assert response.headers["allow"]
