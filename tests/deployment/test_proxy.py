"""The proxy of `compose.yml`: its own configuration in a real HAProxy, before two API processes.

Needs `haproxy`, as Debian has it. Docker's name server, which lists the containers that run, is
played by one of ours.
"""

import asyncio
import re
import socket
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.backends.database import Database
from service.settings.settings import Settings
from tests.support.compose_file import read_compose, read_example
from tests.support.factories import make_players
from tests.support.programs import Running, run
from tests.support.waiting import wait_until

ADDRESSES = ("127.0.0.2", "127.0.0.3")
_ANSWER_BITS = 0x8180
_A_RECORD = 1


def read_proxy_configuration() -> str:
    text = read_compose(read_example())["services"]["proxy"]["environment"]["CONFIGURATION"]
    assert isinstance(text, str)
    return text


class NameServer(asyncio.DatagramProtocol):
    """Answers every name with the addresses of the containers that run."""

    def __init__(self) -> None:
        self.addresses = list(ADDRESSES)
        self.asked = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        # One question: its name ends with an empty label, its type and class follow.
        end = data.index(b"\0", 12) + 5
        (kind,) = struct.unpack("!H", data[end - 4 : end - 2])
        found = self.addresses if kind == _A_RECORD else []
        answers = b"".join(
            struct.pack("!HHHIH", 0xC00C, _A_RECORD, 1, 0, 4) + IPv4Address(address).packed
            for address in found
        )
        head = data[:2] + struct.pack("!HHHHH", _ANSWER_BITS, 1, len(found), 0, 0)
        self._transport.sendto(head + data[12:end] + answers, addr)


@asynccontextmanager
async def serve_names() -> AsyncIterator[tuple[NameServer, int]]:
    transport, names = await asyncio.get_running_loop().create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    try:
        yield names, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def find_ports() -> tuple[int, int]:
    """Return a port of the proxy and one that is free on every address of the API."""
    with socket.socket() as one, socket.socket() as other:
        for probe in (one, other):
            probe.bind(("0.0.0.0", 0))  # noqa: S104
        return one.getsockname()[1], other.getsockname()[1]


def run_api(address: str, port: int, settings: Settings, folder: Path) -> Any:
    environment = {
        "DATABASE_URL": settings.require_database_url(),
        "REDIS_URL": settings.require_redis_url(),
    }
    command = [
        sys.executable,
        "-m",
        "service.commands.main",
        "api",
        "--host",
        address,
        "--port",
        str(port),
    ]
    return run(f"api-{address}", command, environment, folder)


def run_proxy(text: str, folder: Path) -> Any:
    shell, option, line = read_compose(read_example())["services"]["proxy"]["command"]
    (path,) = set(re.findall(r"/\S+\.cfg", line))
    line = line.replace(path, str(folder / "haproxy.cfg"))
    return run("proxy", [shell, option, line], {"CONFIGURATION": text}, folder)


@pytest.mark.parametrize("name_server_knows", [True, False])
async def test_stopping_an_api_behind_the_proxy_fails_no_request(
    settings: Settings, database: Database, tmp_path: Path, *, name_server_knows: bool
) -> None:
    user_ids = await make_players(database, 5)
    proxy_port, api_port = find_ports()
    statuses: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def submit(client: httpx.AsyncClient, user_id: int) -> None:
        while not stopping.is_set():
            answer = await client.post(
                "/api/leaderboard/submit", json={"user_id": user_id, "score": 1}
            )
            statuses[answer.status_code] += 1

    async def wait_for_more(number: int) -> None:
        enough = statuses.total() + number
        await wait_until(lambda: statuses.total() >= enough, seconds=60)

    async with serve_names() as (names, name_port):
        text = read_proxy_configuration()
        for word, exchanged in (
            ("bind :8000", f"bind :{proxy_port}"),
            ("api:8000", f"api:{api_port}"),
            ("127.0.0.11:53", f"127.0.0.1:{name_port}"),
        ):
            assert text.count(word) == 1
            text = text.replace(word, exchanged)
        with (
            run_api(ADDRESSES[0], api_port, settings, tmp_path) as first,
            run_api(ADDRESSES[1], api_port, settings, tmp_path) as second,
            run_proxy(text, tmp_path),
        ):
            for api in (first, second):
                await asyncio.to_thread(api.wait_for, "Ready:")
            url = f"http://127.0.0.1:{proxy_port}"
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                await wait_until(lambda: serves(client), seconds=60)
                traffic = [
                    asyncio.create_task(submit(client, user_id))
                    for user_id in user_ids
                    for _ in range(4)
                ]
                await wait_for_more(200)
                await stop(first, names if name_server_knows else None)
                await wait_for_more(2_000)
                with run_api(ADDRESSES[0], api_port, settings, tmp_path) as third:
                    await asyncio.to_thread(third.wait_for, "Ready:")
                    names.addresses = list(ADDRESSES)
                    await wait_for_more(500)
                    await stop(second, names if name_server_knows else None)
                    await wait_for_more(500)
                    stopping.set()
                    await asyncio.gather(*traffic)
    assert statuses.keys() == {200}, statuses
    assert names.asked
    row = await database.fetch_one("SELECT count(*) FROM game_session")
    assert row is not None
    assert row["count"] == statuses[200]


async def serves(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health/live")).status_code == 200
    except httpx.TransportError:
        return False


async def stop(api: Running, names: NameServer | None) -> None:
    """Stop an API as compose does; its address is taken out of the names after its end."""
    address = api.log.stem.removeprefix("api-")
    assert await asyncio.to_thread(api.stop) == 0, api.log.read_text()
    if names is not None:
        names.addresses.remove(address)
