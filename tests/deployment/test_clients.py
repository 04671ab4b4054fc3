"""The examples, and the clients that they use, against the real service.

Needs `default-jdk-headless`, `nodejs` and `curl`, as Debian has them. The example in Go is skipped
where there is no `golang-go`. .NET has no test here: its client sends what `test_http1.py` sends by
socket.
"""

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from tests.support.waiting import wait_until

EXAMPLES = Path(__file__).parents[2] / ".github" / "examples"
PROGRAMS = {
    "python": (sys.executable, "leaderboard.py"),
    "javascript": ("node", "leaderboard.mjs"),
    "java": ("java", "Leaderboard.java"),
    "go": ("go", "leaderboard.go"),
}
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 2\r\n"
    b"Connection: close\r\n\r\n{}"
)


class BadNetwork:
    """Carries bytes between a client and the service, and not all of them.

    The answer to the first submit is lost, the second submit gets a 503 on its way, and the third
    is answered.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._place = (parts.hostname, parts.port)
        self.submits = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection(*self._place)
        back = asyncio.create_task(self._carry_back(there_reader, writer))
        try:
            while data := await reader.read(65_536):
                if b"POST /api/leaderboard/submit " in data:
                    self.submits += 1
                    if self.submits == 1:
                        back.cancel()
                        there_writer.write(data)
                        # The body may come by itself.
                        while b'"score"' not in data:
                            data = await reader.read(65_536)
                            there_writer.write(data)
                        # It was answered, and nobody gets to know.
                        await there_reader.read(65_536)
                        break
                    if self.submits == 2:
                        writer.write(BUSY)
                        await writer.drain()
                        break
                there_writer.write(data)
        finally:
            back.cancel()
            there_writer.close()
            writer.close()

    async def _carry_back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


@asynccontextmanager
async def bad_network(url: str) -> AsyncIterator[tuple[BadNetwork, str]]:
    network = BadNetwork(url)
    server = await asyncio.start_server(network.serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield network, f"http://{host}:{port}"


async def run(*command: str, seconds: float = 60) -> str:
    status, output, errors = await start(*command, seconds=seconds)
    assert status == 0, errors
    return output


async def run_in_vain(*command: str) -> str:
    """Run what has to fail, and return what it says then."""
    status, _, errors = await start(*command, seconds=60)
    assert status == 1, errors
    return errors


async def start(*command: str, seconds: float) -> tuple[int | None, str, str]:
    assert shutil.which(command[0]), f"{command[0]} is not installed"
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(seconds):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def find_command(language: str, folder: Path) -> list[str]:
    """Return what runs an example; what has to be compiled first is."""
    program, name = PROGRAMS[language]
    if language != "go":
        return [program, str(EXAMPLES / name)]
    if shutil.which("go") is None:
        pytest.skip("no Go toolchain: Debian's `golang-go` brings one")
    compiled = str(folder / "leaderboard")
    await run("go", "build", "-o", compiled, str(EXAMPLES / name), seconds=240)
    return [compiled]


@pytest.mark.parametrize("language", PROGRAMS)
async def test_example_counts_a_score_once_over_a_bad_network(
    live: str, language: str, tmp_path: Path
) -> None:
    command = await find_command(language, tmp_path)
    external_id, username = f"{language}:{uuid4()}", f"{language}-{uuid4()}"
    async with bad_network(live) as (network, url):
        lines = (await run(*command, url, external_id, username, "1200")).splitlines()
        assert network.submits == 3
        assert lines[1].startswith(f"{username} has 1200 points, rank ")
        # A second game, by a player that is known by now, whatever the name that was given.
        lines = (await run(*command, url, external_id, "another", "-200")).splitlines()
        assert lines[1].startswith(f"{username} has 1000 points, rank ")
        best = next(place for place, line in enumerate(lines) if line.startswith("the best:"))
        around = [line.startswith("the neighbours:") for line in lines].index(True)
        assert best == 2 < around
        assert username in "".join(lines[around:])
        # That in Go follows the stream, too.
        assert lines[-1].startswith("first of all: {") == (language == "go")
    async with httpx.AsyncClient(base_url=live) as client:
        player = (await client.get("/api/players", params={"external_id": external_id})).json()
        user_id = player["user_id"]
        sessions = (await client.get(f"/api/players/{user_id}/sessions")).json()["sessions"]
        assert [session["score"] for session in sessions] == [-200, 1200]

        async def is_folded() -> bool:
            rank = (await client.get(f"/api/leaderboard/rank/{user_id}")).json()
            return bool(rank["total_score"] == 1000)

        await wait_until(is_folded)


@pytest.mark.parametrize("language", PROGRAMS)
async def test_example_says_what_is_wrong(live: str, language: str, tmp_path: Path) -> None:
    command = await find_command(language, tmp_path)
    assert "URL EXTERNAL_ID USERNAME SCORE" in await run_in_vain(*command)
    username = f"{language}-{uuid4()}"
    await run(*command, live, f"one-{username}", username, "1")
    # Somebody else of that name is not taken for the player.
    told = await run_in_vain(*command, live, f"other-{username}", username, "1")
    assert "username_taken" in told
    assert "is taken; choose another one" in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [(), ("--http2",), ("--http1.0",), ("-H", "Expect: 100-continue"), ("-H", "TE: trailers")],
    ids=" ".join,
)
async def test_curl(live: str, options: Sequence[str]) -> None:
    curl = ("curl", "-sS", "--max-time", "10", *options)
    json_type = ("-H", "Content-Type: application/json")
    registered = await run(
        *curl, f"{live}/api/players", *json_type, "-d", json.dumps({"username": f"curl-{uuid4()}"})
    )
    user_id = json.loads(registered)["user_id"]
    score = ("-H", "Idempotency-Key: k", "-d", json.dumps({"user_id": user_id, "score": 7}))
    first, again = [
        await run(*curl, f"{live}/api/leaderboard/submit", *json_type, *score) for _ in range(2)
    ]
    assert json.loads(first)["status"] == "success"
    assert again == first
    rank = await run(*curl, f"{live}/api/leaderboard/rank/{user_id}")
    assert json.loads(rank)["total_score"] == 7


async def test_curl_follows_the_stream(live: str) -> None:
    # --max-time ends it: that the server does not is what a stream is.
    process = await asyncio.create_subprocess_exec(
        *("curl", "-sSN", "--http2", "--max-time", "30", f"{live}/api/leaderboard/stream"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert (await process.stdout.readuntil(b"event: top\r\ndata: ")).startswith(b": ")
    process.terminate()
    await process.communicate()
