"""Which role a request needs, by its method and path."""

import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute

from service.api.app import create_app
from service.http.auth import Kind, RouteAccess
from service.keys.roles import Role
from service.settings.settings import load_settings

BOARD = "/api/boards/{slug:str}"
OPERATING = ("/api/export", "/api/import", "/api/ops", "/metrics")


@pytest.fixture(scope="module")
def app() -> Litestar:
    """The application, which connects to nothing until it is started."""
    return create_app(load_settings(redis_url="redis://127.0.0.1:1", database_url="postgresql://a"))


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("HEAD", "/api/leaderboard/top", Role.READ),
        ("HEAD", "/api/ops/status", Role.ADMIN),
        ("GET", "/metrics", Role.ADMIN),
        ("HEAD", "/metrics/", Role.ADMIN),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/", None),
        ("GET", "/docs", None),
        ("GET", "/docs/docs.js", None),
        ("GET", "/schema", None),
        ("GET", "/schema/openapi.json", None),
        ("GET", "/api/leaderboard/top", Role.READ),
        ("GET", "/api/leaderboard/rank/1", Role.READ),
        ("GET", "/api/players/1", Role.READ),
        ("OPTIONS", "/api/players", Role.READ),
        ("GET", "/health", Role.READ),
        ("GET", "/healthy", Role.READ),
        ("POST", "/api/leaderboard/submit", Role.SUBMIT),
        ("POST", "/api/leaderboard/submit/", Role.SUBMIT),
        ("POST", "//api//leaderboard/submit/bulk", Role.SUBMIT),
        ("POST", "/api/players", Role.SUBMIT),
        ("POST", "/api/players/bulk", Role.SUBMIT),
        ("GET", "/api/players/1/ranks", Role.READ),
        ("GET", "/api/boards", Role.READ),
        ("HEAD", "/api/boards/laps/seasons/1", Role.READ),
        ("GET", "/api/boards/laps/stream", Role.READ),
        ("POST", "/api/boards/laps/ranks", Role.READ),
        ("PUT", "/api/boards/laps", Role.ADMIN),
        ("PATCH", "/api/boards/laps/", Role.ADMIN),
        ("POST", "/api/boards/laps/seasons/current/close", Role.ADMIN),
        ("POST", "/api/boards/laps/seasons/1/close", Role.ADMIN),
        ("POST", "/api/boards/laps/later", Role.ADMIN),
        ("GET", "/api/export/standings", Role.ADMIN),
        ("HEAD", "/api/export/standings", Role.ADMIN),
        ("POST", "/api/import/players", Role.ADMIN),
        ("GET", "/api/ops/status", Role.ADMIN),
        ("GET", "//api/ops/status/", Role.ADMIN),
        ("GET", "/api///ops/sessions/count", Role.ADMIN),
        ("POST", "/api/ops/anything", Role.ADMIN),
        ("DELETE", "/api/players/1", Role.MODERATOR),
        ("POST", "/api/later", Role.ADMIN),
        ("OPTIONS", "/api/leaderboard/submit", Role.READ),
        ("OPTIONS", "/api/ops/status", Role.ADMIN),
        ("OPTIONS", "/health/live", None),
    ],
)
def test_role(app: Litestar, method: str, path: str, role: Role | None) -> None:
    assert RouteAccess(app.routes).find(method, path).role is role


def test_route_without_a_role_needs_an_admin() -> None:
    @get("/later")
    async def later() -> None:
        return None

    assert (
        RouteAccess(Litestar([later], logging_config=None).routes).find("GET", "/later").role
        is Role.ADMIN
    )


def test_places_of_writes_are_for_submits_and_registrations(app: Litestar) -> None:
    access = RouteAccess(app.routes)
    writing = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if access.find(method, route.path_format).kind is Kind.WRITE
    }
    assert writing == {
        ("POST", "/api/leaderboard/submit"), ("POST", "/api/leaderboard/submit/bulk"),
        ("POST", "/api/players"), ("POST", "/api/players/bulk"),
    }  # fmt: skip


def test_every_route_was_given_its_role(app: Litestar) -> None:
    access = RouteAccess(app.routes)
    found = {
        (method, route.path): access.find(method, route.path_format).role
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS"}
    }
    assert {key for key, role in found.items() if role is None} == {
        ("GET", "/health/live"), ("GET", "/health/ready"),
        ("GET", "/schema"), ("GET", "/schema/openapi.json"), ("GET", "/schema/{path:str}"),
        ("GET", "/"), ("GET", "/docs"), ("GET", "/docs/{name:str}"),
    }  # fmt: skip
    assert {key for key, role in found.items() if role is Role.SUBMIT} == {
        ("POST", "/api/leaderboard/submit"), ("POST", "/api/leaderboard/submit/bulk"),
        ("POST", "/api/players"), ("POST", "/api/players/bulk"),
        ("GET", "/api/sessions/{session_id:str}"),
    }  # fmt: skip
    assert {key for key, role in found.items() if role is Role.MODERATOR} == {
        ("POST", "/api/sessions/{session_id:str}/revoke"),
        ("POST", "/api/sessions/{session_id:str}/restore"),
        ("POST", "/api/players/{user_id:str}/sessions/revoke"),
        ("POST", "/api/players/{user_id:str}/sessions/restore"),
        ("PUT", "/api/players/{user_id:str}/state"),
        ("PATCH", "/api/players/{user_id:str}"), ("DELETE", "/api/players/{user_id:str}"),
        ("GET", "/api/boards/{slug:str}/explain/{user_id:str}"), ("GET", "/api/moderation"),
        ("GET", "/api/boards/{slug:str}/movers"),
    }  # fmt: skip
    changing = {
        ("PUT", BOARD), ("PATCH", BOARD),
        ("POST", f"{BOARD}/archive"), ("POST", f"{BOARD}/unarchive"),
        ("POST", f"{BOARD}/seasons/current/close"),
        ("POST", f"{BOARD}/seasons/{{number:str}}/close"),
        ("POST", f"{BOARD}/seasons/{{number:str}}/correct"),
    }  # fmt: skip
    operating = {key for key in found if key[1].startswith(OPERATING)}
    assert operating
    assert {key for key, role in found.items() if role is Role.ADMIN} == operating | changing
