"""A proxy that serves the API under a path of its own, and pages of other sites."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service.api.app import create_app
from service.errors import UsageError
from service.settings.settings import Settings, load_settings
from tests.support.serving import connect_client, run_app

GAME = "https://game.example"
TOP = "/api/leaderboard/top"
LIVE = "/health/live"


@asynccontextmanager
async def connect(settings: Settings, **changed: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings.model_copy(update=changed))
    async with run_app(app), connect_client(app) as client:
        yield client


async def read_server(client: httpx.AsyncClient, path: str, **headers: str) -> str:
    response = await client.get(path, headers=headers)
    (server,) = response.json()["servers"]
    return str(server["url"])


async def test_prefix_is_left_in_or_taken_away(settings: Settings) -> None:
    async with connect(settings, root_path="/lb") as client:
        for path in ("/schema", "/lb/schema"):
            assert await read_server(client, path) == "/lb"
        assert (await client.get("/lb/lb" + LIVE)).status_code == 404
        assert (await client.get("/lbx" + LIVE)).status_code == 404
    async with connect(settings) as client:
        assert await read_server(client, "/schema") == "/"
        assert (await client.get("/lb" + LIVE)).status_code == 404


async def test_only_a_trusted_proxy_names_a_prefix(settings: Settings) -> None:
    forwarded = {"X-Forwarded-Prefix": "/games/lb/"}
    async with connect(settings, trusted_proxies="10.0.0.0/8") as client:
        assert await read_server(client, "/schema", **forwarded) == "/"
    trusted = "10.0.0.0/8,127.0.0.0/8,::1/128"
    async with connect(settings, trusted_proxies=trusted, root_path="/lb") as client:
        for path in ("/schema", "/games/lb/schema", "/lb/schema"):
            assert await read_server(client, path, **forwarded) == "/games/lb"
        assert await read_server(client, "/schema") == "/lb"
        for wrong in ("//evil.example", "https://evil.example", "lb", "/a b", "/"):
            server = await read_server(client, "/schema", **{"X-Forwarded-Prefix": wrong})
            assert server == "/lb"


async def read_origin(client: httpx.AsyncClient, path: str, **headers: str) -> str | None:
    response = await client.get(path, headers={"Origin": GAME} | headers)
    assert "access-control-allow-credentials" not in response.headers
    origin: str | None = response.headers.get("access-control-allow-origin")
    return origin


async def test_pages_of_other_sites_read_nothing_unless_allowed(settings: Settings) -> None:
    async with connect(settings) as client:
        assert await read_origin(client, TOP) is None
    async with connect(settings, cors_origins="https://other.example") as client:
        assert await read_origin(client, TOP) is None


async def test_pages_of_an_allowed_site_read_what_needs_no_key(settings: Settings) -> None:
    async with connect(settings, cors_origins=f"http://localhost:5173,{GAME}") as client:
        for path in (TOP, "/api/leaderboard/rank/none", "/health/ready", "/schema"):
            # Errors too, or the page could not tell what went wrong.
            assert await read_origin(client, path) == GAME, path
        response = await client.get(LIVE)
        assert response.headers["vary"] == "Origin"
        assert await read_origin(client, "/api/ops/status") is None
        assert await read_origin(client, TOP, Authorization="Bearer x") is None
        refused = await client.post("/api/players", json={}, headers={"Origin": GAME})
        assert "access-control-allow-origin" not in refused.headers
    async with connect(settings, cors_origins="*") as client:
        assert await read_origin(client, TOP) == "*"


async def ask_beforehand(client: httpx.AsyncClient, path: str, method: str) -> httpx.Response:
    headers = {"Origin": GAME, "Access-Control-Request-Method": method}
    return await client.options(path, headers=headers)


async def test_browser_asks_beforehand(settings: Settings) -> None:
    async with connect(settings, cors_origins=GAME, root_path="/lb") as client:
        answer = await ask_beforehand(client, "/lb" + TOP, "GET")
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == GAME
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
        assert "authorization" not in answer.headers["access-control-allow-headers"].lower()
        # A read, although its question is too long for an address.
        friends = "/lb/api/boards/global/ranks"
        answer = await ask_beforehand(client, friends, "POST")
        assert answer.headers["access-control-allow-origin"] == GAME
        assert "content-type" in answer.headers["access-control-allow-headers"].lower()
        asked = await client.post(friends, json={"user_ids": [1]}, headers={"Origin": GAME})
        assert asked.headers["access-control-allow-origin"] == GAME
        for path, method in (
            ("/api/leaderboard/submit", "POST"),
            (TOP, "POST"),
            ("/api/players", "POST"),
            ("/api/boards/global", "PUT"),
            (TOP, "DELETE"),
            ("/api/ops/status", "GET"),
        ):
            answer = await ask_beforehand(client, path, method)
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROOT_PATH", "lb"),
        ("ROOT_PATH", "/l b"),
        ("ROOT_PATH", "/../x"),
        ("ROOT_PATH", "//x"),
        ("TRUSTED_PROXIES", "proxy"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("CORS_ORIGINS", "game.example"),
        ("CORS_ORIGINS", "https://game.example/"),
        ("CORS_ORIGINS", "*,https://game.example"),
        ("CORS_ORIGINS", "null"),
        ("CORS_ORIGINS", "https://game.example:port"),
    ],
)
def test_wrong_value_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"LEADERBOARD_{name}", value)
    with pytest.raises(UsageError, match=f"LEADERBOARD_{name}=.* is not usable: it must be "):
        load_settings()


def test_values_come_in_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEADERBOARD_ROOT_PATH", "/games/lb/")
    monkeypatch.setenv("LEADERBOARD_TRUSTED_PROXIES", " 127.0.0.1, 10.0.0.0/8,::1")
    monkeypatch.setenv("LEADERBOARD_CORS_ORIGINS", "HTTPS://Game.example, http://localhost:5173")
    settings = load_settings()
    assert settings.root_path == "/games/lb"
    assert settings.trusted_proxies == "127.0.0.1/32,10.0.0.0/8,::1/128"
    assert settings.cors_origins == "https://game.example,http://localhost:5173"


async def test_no_answer_is_kept(settings: Settings) -> None:
    async with connect(settings) as client:
        for path in (
            *(LIVE, "/schema", "/nothing", "/docs/docs.js"),
            *("/api/boards", "/api/boards/global", "/api/boards/global/top", "/api/boards/none"),
            *("/api/boards/global/seasons/1", "/api/export/players", "/api/export/nothing"),
        ):
            assert (await client.get(path)).headers.get_list("cache-control") == ["no-store"], path
        for path in ("/api/players/bulk", "/api/import/players", "/api/boards/global/ranks"):
            answer = await client.post(path, content=b"{")
            assert answer.headers.get_list("cache-control") == ["no-store"], path
