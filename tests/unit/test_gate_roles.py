"""Which role a request needs, by its method and path."""

import pytest

from service.http.admission import find_role
from service.keys.roles import Role


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
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
