"""Which role a request needs, by its method and path."""

import pytest
from litestar.routes import HTTPRoute

from service.api.app import create_app
from service.http.auth import find_role
from service.keys.roles import Role
from service.settings.settings import load_settings


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("HEAD", "/api/leaderboard/top", Role.READ),
        ("HEAD", "/api/ops/status", Role.ADMIN),
        ("GET", "/metrics", Role.ADMIN),
        ("HEAD", "/metrics/", Role.ADMIN),
        ("GET", "/health/live", None),
        ("GET", "/health/ready", None),
        ("GET", "/schema", None),
        ("GET", "/schema/openapi.json", None),
        ("GET", "/api/leaderboard/top", Role.READ),
        ("GET", "/api/leaderboard/rank/1", Role.READ),
        ("GET", "/api/players/1", Role.READ),
        ("OPTIONS", "/api/players", Role.READ),
        ("GET", "/health", None),
        ("GET", "/healthy", Role.READ),
        ("POST", "/api/leaderboard/submit", Role.SUBMIT),
        ("POST", "/api/leaderboard/submit/", Role.SUBMIT),
        ("POST", "//api//leaderboard/submit/bulk", Role.SUBMIT),
        ("POST", "/api/players", Role.SUBMIT),
        ("GET", "/api/ops/status", Role.ADMIN),
        ("GET", "//api/ops/status/", Role.ADMIN),
        ("GET", "/api///ops/sessions/count", Role.ADMIN),
        ("POST", "/api/ops/anything", Role.ADMIN),
        ("DELETE", "/api/players/1", Role.ADMIN),
        ("POST", "/api/later", Role.ADMIN),
    ],
)
def test_role(method: str, path: str, role: Role | None) -> None:
    assert find_role(method, path) is role


def test_every_route_was_given_its_role() -> None:
    app = create_app(load_settings(redis_url="redis://127.0.0.1:1", database_url="postgresql://a"))
    found = {
        (method, route.path): find_role(method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS"}
    }
    assert {key for key, role in found.items() if role is None} == {
        ("GET", "/health/live"), ("GET", "/health/ready"),
        ("GET", "/schema"), ("GET", "/schema/openapi.json"), ("GET", "/schema/{path:str}"),
    }  # fmt: skip
    assert {key for key, role in found.items() if role is Role.SUBMIT} == {
        ("POST", "/api/leaderboard/submit"), ("POST", "/api/leaderboard/submit/bulk"),
        ("POST", "/api/players"),
    }  # fmt: skip
    operating = {key for key in found if key[1].startswith(("/api/ops", "/metrics"))}
    assert operating
    assert {key for key, role in found.items() if role is Role.ADMIN} == operating
