"""`rediss://` for cache and broker: the main path over TLS, whose certificate is checked.

Needs `redis-server` with TLS and `openssl`, as Debian has them; the wheel's Valkey has no TLS.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis as blocking_redis

from tests.support.programs import PATIENCE_SECONDS, run


def make_certificate(folder: Path, name: str) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        ],
        check=True,
        capture_output=True,
    )


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A Redis that takes TLS connections only."""
    for name in ("server", "stranger"):
        make_certificate(tmp_path, name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = {
        "port": "0",
        "tls-port": str(port),
        "bind": "127.0.0.1",
        "tls-cert-file": str(tmp_path / "server.crt"),
        "tls-key-file": str(tmp_path / "server.key"),
        "tls-ca-cert-file": str(tmp_path / "server.crt"),
        "tls-auth-clients": "no",
        "save": "",
        "dir": str(tmp_path),
    }
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    with run("redis", ["redis-server", *words], {}, tmp_path) as server:
        server.wait_for("Ready to accept connections")
        yield port


def test_main_path_over_tls(port: int, database_url: str, tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'server.crt'}"
    environment = {"DATABASE_URL": database_url, "REDIS_URL": url, "PATH": os.defpath}
    leaderboard = [sys.executable, "-m", "service.commands.main"]
    with (
        run("api", [*leaderboard, "api", "--port", "0"], environment, tmp_path) as api,
        run("worker", [*leaderboard, "worker"], environment, tmp_path) as worker,
        httpx.Client(base_url=api.wait_for("Ready:").split()[1], timeout=10) as client,
    ):
        player = client.post("/api/players", json={"username": "ada"}).json()["user_id"]
        score = {"user_id": player, "score": 42}
        client.post("/api/leaderboard/submit", json=score).raise_for_status()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (top := client.get("/api/leaderboard/top").json())["leaderboard"]:
            assert time.monotonic() < deadline, worker.log.read_text()
            worker.nap()
        assert top["leaderboard"][0]["total_score"] == 42
        ready = client.get("/health/ready")
        assert ready.status_code == 200, ready.text
        rank = client.get(f"/api/leaderboard/rank/{player}").json()
        assert (rank["rank"], rank.get("stale")) == (1, None)
    with blocking_redis.Redis.from_url(url) as redis:
        offsets = list(redis.scan_iter("leaderboard:{*}:offset"))
    assert len(offsets) == 1


def test_certificate_of_a_stranger_is_refused(port: int, tmp_path: Path) -> None:
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={tmp_path / 'stranger.crt'}"
    with (
        blocking_redis.Redis.from_url(url) as redis,
        pytest.raises(blocking_redis.ConnectionError, match="certificate verify failed"),
    ):
        redis.ping()
