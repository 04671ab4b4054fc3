"""Request ids, and the log lines of the programs as people and machines get them."""

import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.factories import make_player
from tests.support.programs import run
from tests.support.serving import serve_app
from tests.support.up_process import clean_environment
from tests.support.waiting import wait_until
from tests.support.worker_process import send_sweep, submit_until_woken

NAME = "zaphod-the-username"
SCORE = 78_191_203
KEY = "key-of-a-stranger"
TOP = "/api/leaderboard/top"


@pytest.mark.parametrize(
    ("path", "status"),
    [(TOP, 200), (f"{TOP}?limit=0", 400), ("/nowhere", 404), ("/health/live", 200)],
)
async def test_an_answer_has_the_id_of_its_request(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    given = await client.get(path, headers={"X-Request-Id": "match-77/final"})
    assert (given.status_code, given.headers["x-request-id"]) == (status, "match-77/final")
    made = [(await client.get(path)).headers["x-request-id"] for _ in range(3)]
    assert len({*made, "match-77/final"}) == 4


@pytest.mark.parametrize("unusable", ["", "a b", "a" * 129, "a\x1b[31m", "é"])
async def test_an_id_that_cannot_stand_in_a_log_is_replaced(
    client: httpx.AsyncClient, unusable: str
) -> None:
    answer = await client.get(TOP, headers={b"X-Request-Id": unusable.encode("latin-1")})
    assert answer.status_code == 200
    assert re.fullmatch(r"[0-9a-f]{10}-[0-9a-f]+", answer.headers["x-request-id"])


def read_lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


async def test_logs_for_machines_follow_a_request_to_its_refresh(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    user_id = await make_player(database, NAME)
    environment = {
        **clean_environment(),
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
        "LEADERBOARD_LOG_FORMAT": "json",
        "LEADERBOARD_LOG_LEVEL": "debug",
        "LEADERBOARD_ACCESS_LOG": "true",
        # What it logs of one message comes from the thread that had another one before.
        "LEADERBOARD_WORKER_THREADS": "1",
    }
    api = [sys.executable, "-m", "service.commands.main", "api", "--port", "0"]
    worker = [sys.executable, "-m", "workers"]
    with (
        run("worker", worker, environment, tmp_path),
        run("api", api, environment, tmp_path) as serving,
    ):
        url = serving.wait_for("Ready: ").split()[1]
        log = tmp_path / "worker.log"
        async with httpx.AsyncClient(base_url=url) as client:

            async def submit(request_id: str) -> None:
                answer = await client.post(
                    "/api/leaderboard/submit",
                    json={"user_id": user_id, "score": SCORE},
                    headers={"X-Request-Id": request_id, "Idempotency-Key": f"{KEY}-{request_id}"},
                )
                assert answer.status_code == 200

            request_ids = await submit_until_woken(submit, settings, log)
            await client.get("/api/players", params={"username": NAME})
        send_sweep(settings)
        await wait_until(lambda: "Processing" in log.read_text(), seconds=30)
    folded = [line for line in read_lines(log) if line["message"] == "folded 1 sessions"][-1]
    assert folded["request_id"] == request_ids[-1]
    assert (folded["level"], folded["logger"]) == ("DEBUG", "workers.actors.standings")
    (swept,) = [line for line in read_lines(log) if line["message"].startswith("Processing")]
    assert "request_id" not in swept
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00", folded["at"])
    output = (tmp_path / "api.log").read_text()
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    *_, submitted, found = [line for line in lines if line["logger"] == "service.access"]
    assert submitted["request_id"] == request_ids[-1]
    assert (submitted["method"], submitted["path"]) == ("POST", "/api/leaderboard/submit")
    assert submitted["status"] == 200
    assert 0 < submitted["duration_ms"] < 30_000
    assert found["path"] == "/api/players"
    everything = output + log.read_text()
    for secret in (NAME, str(SCORE), KEY):
        assert secret not in everything


async def test_logs_for_people_name_the_request_too(settings: Settings, tmp_path: Path) -> None:
    environment = {
        **clean_environment(),
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
        "LEADERBOARD_ACCESS_LOG": "true",
    }
    api = [sys.executable, "-m", "service.commands.main", "api", "--port", "0"]
    with run("api", api, environment, tmp_path) as serving:
        url = serving.wait_for("Ready: ").split()[1]
        async with httpx.AsyncClient(base_url=url) as client:
            await client.get(f"{TOP}?limit=3", headers={"X-Request-Id": "match-77"})
    assert re.search(
        rf"\d INFO service\.access: GET {TOP} 200 [\d.]+ ms \[match-77\]\n",
        (tmp_path / "api.log").read_text(),
    )


async def test_path_forges_no_line_of_the_log(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service.access")
    logging_requests = settings.model_copy(update={"access_log": True})
    async with serve_app(logging_requests) as (_, client):
        await client.get("/nowhere%0aGET /forged 200")
    (line,) = [one.getMessage() for one in caplog.records if one.name == "service.access"]
    assert line.startswith("GET /nowhere%0aGET%20/forged%20200 404 ")
