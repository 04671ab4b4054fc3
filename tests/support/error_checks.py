"""Checks the one shape of errors."""

from typing import Any

import httpx


def check_error(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the one shape of errors and return the answer."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    answer: dict[str, Any] = response.json()
    assert answer.keys() - {"fields"} == {"error", "code"}
    assert answer["code"] == code
    assert len(answer["error"]) > 10
    for field in answer.get("fields", []):
        assert field.keys() == {"field", "message"}
        assert field["message"]
    return answer


def list_fields(answer: dict[str, Any]) -> list[str]:
    return [field["field"] for field in answer.get("fields", [])]
