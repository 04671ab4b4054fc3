import asyncio
import re
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import httpx
import pytest
import trustme

from dashboard.client.connection import BackOff
from dashboard.client.gateway import BoardSeason, Gateway, NotUnderstood, Refused, Unreachable
from tests.support.console.frozen_clock import FrozenClock
from tests.support.console.laps import drive_laps
from tests.support.console.operating import look_up, open_console, watch_live
from tests.support.console.service_peer import URL, ServicePeer


def test_pauses_double_from_one_to_thirty_seconds_and_differ_by_chance() -> None:
    back_off = BackOff(Random(1))
    pauses = [back_off.next_pause_seconds() for _ in range(10)]
    for attempt, pause in enumerate(pauses):
        longest = min(30.0, 2.0 * 2**attempt)
        assert max(1.0, longest / 2) <= pause <= longest
    assert len(set(pauses)) == 10
    back_off.reset()
    assert back_off.next_pause_seconds() <= 2.0
    assert pauses != [BackOff(Random(2)).next_pause_seconds() for _ in range(10)]


PAGE = "/api/boards/global/page?offset=0&limit=1000"


async def test_a_lost_connection_keeps_the_data_counts_down_and_comes_back() -> None:
    async with watch_live() as operator:
        operator.peer.go_away()
        await operator.pass_time(0.4)
        assert "the service closed the stream; next try in" in operator.notice
        assert "ada" in operator.screen_text
        await operator.press("down", "4", "1")
        assert "✕ disconnected" in operator.notice
        await operator.pass_time(60.0)
        assert "nothing answers; next try in" in operator.notice
        operator.peer.come_back()
        operator.peer.scores[0] = (1, "ada", 12_345)
        await operator.pass_time(30.0)
        assert operator.notice.startswith(" ● live")
        assert "12,345" in operator.screen_text


async def test_r_tries_at_once() -> None:
    async with watch_live() as operator:
        operator.peer.go_away()
        await operator.pass_time(20.0)
        operator.peer.come_back()
        await operator.press("r")
        assert operator.notice.startswith(" ● live")


async def test_a_board_that_is_chosen_is_not_put_off_by_the_pause() -> None:
    async with watch_live(drive_laps()) as operator:
        operator.peer.go_away()
        await operator.pass_time(60.0)
        operator.peer.come_back()
        operator.console.watch_board(BoardSeason("weekly-laps"))
        await operator.pass_time()
        assert operator.notice.startswith(" ● live")
        assert "1:34.000" in operator.screen_text


async def test_what_a_silent_stream_does_not_tell_is_fetched() -> None:
    peer = ServicePeer(FrozenClock())
    peer.silent = True
    async with watch_live(peer) as operator:
        assert operator.peer.requests.count(PAGE) == 1
        assert "ada" in operator.screen_text


async def test_a_board_that_is_refused_is_an_error_with_its_code_and_keeps_what_was_shown() -> None:
    async with watch_live() as operator:
        operator.peer.refuse(503, "standings_unavailable", "Nobody can tell.", "/page")
        await operator.pass_time(3.0)
        assert operator.notice.startswith(" ! error standings_unavailable: Nobody can tell.")
        assert "Shown as of 12:00:0" in operator.notice
        assert "ada" in operator.screen_text
        operator.peer.come_back()
        await operator.pass_time(1.4)
        assert operator.notice.startswith(" ● live")


async def test_what_the_stream_does_not_tell_is_read_each_second() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player {number}", 10_000 - number) for number in range(1, 201)]
    async with watch_live(peer) as operator:
        await operator.press("end")
        peer.scores[-1] = (200, "player 200", 9_801)
        await operator.pass_time(1.4)
        assert "9,801" in operator.screen_text


async def test_without_a_place_for_its_stream_the_board_is_read_each_second() -> None:
    peer = ServicePeer(FrozenClock())
    peer.refuse(503, "too_busy", "Too many requests are under way here; send it again.", "/stream")
    async with watch_live(peer) as operator:
        assert operator.notice.startswith(" ● live")
        peer.scores[0] = (1, "ada", 12_345)
        await operator.pass_time(1.4)
        assert "12,345" in operator.screen_text
        await operator.pass_time(60.0, step=1.0)
        assert operator.notice.startswith(" ● live")
        assert "away" not in operator.screen_text
        # As soon as there is a place, it takes it.
        peer.come_back()
        await operator.pass_time(6.0)
        assert len(peer.streams) == 1


@pytest.mark.parametrize("others", ["too_busy", "late"])
async def test_a_service_without_any_place_left_is_asked_less_and_less(others: str) -> None:
    peer = ServicePeer(FrozenClock())
    asked = 0

    def fail(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if others == "late" and not request.url.path.endswith("/stream"):
            raise httpx.ReadTimeout("late", request=request)
        return httpx.Response(503, json={"error": "Too many.", "code": "too_busy"})

    peer.fail = fail
    async with watch_live(peer) as operator:
        await operator.pass_time(240.0, step=0.2)
        asked = 0
        await operator.pass_time(60.0, step=0.2)
        # Once or twice in half a minute each, and not each second.
        assert asked <= 24


def limit_key(peer: ServicePeer, per_minute: int) -> list[float]:
    """Let the peer take so many requests in any minute; return the list of those it refuses."""
    taken: deque[float] = deque()
    refused: list[float] = []

    def answer(_: httpx.Request) -> httpx.Response | None:
        now = peer.clock.monotonic()
        while taken and taken[0] <= now - 60:
            taken.popleft()
        if len(taken) < per_minute:
            taken.append(now)
            return None
        refused.append(now)
        seconds = int(taken[0] + 60 - now) + 1
        error = {"error": "Go on after the seconds in `Retry-After`.", "code": "rate_limited"}
        return httpx.Response(429, json=error, headers={"Retry-After": str(seconds)})

    peer.fail = answer
    return refused


async def test_a_key_at_its_limit_is_not_kept_there_and_calls_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = ServicePeer(FrozenClock())
    refused = limit_key(peer, 60)
    rung: list[float] = []
    async with watch_live(peer) as operator:
        monkeypatch.setattr(operator.console, "bell", lambda: rung.append(peer.clock.seconds))
        while not refused:
            await operator.pass_time(1.0)
        await operator.pass_time(2.0)
        notice = " ".join(operator.notice.split())
        assert "! error rate_limited: this key has sent as many requests as it may" in notice
        assert "give the console a key of its own, or raise" in notice
        assert re.search(r"Asked again in \d+ s\. Shown as of 12:00:\d\d", notice)
        assert " 4 Health ▲1" in operator.screen_text
        await operator.press("4")
        assert "▲ Console    status refused: rate_limited" in operator.read("#events")
        await look_up(operator, "5")
        assert "rate_limited" in operator.notice
        refused.clear()
        await operator.pass_time(300.0, step=1.0)
        # Every ten seconds what is under way at that moment hears that it is too much.
        assert len(refused) <= 40
        assert rung == []
        events = [event.text for event in operator.console.state.log]
        assert sum(text.startswith("status refused: rate_limited") for text in events) == 1
        peer.come_back()
        await operator.press("f1", "r")
        await operator.pass_time(3.0)
        assert operator.notice.startswith(" ● live")
        assert "✕" not in operator.screen_text


async def test_a_key_at_its_limit_before_anything_is_shown_waits_as_told() -> None:
    peer = ServicePeer(FrozenClock())
    peer.fail = lambda _: httpx.Response(429, headers={"Retry-After": "30"})
    async with open_console(peer) as operator:
        await operator.pass_time(0.4)
        assert "! error http_429" in operator.notice
        assert "next try in 30 s (r: now)" in operator.notice
        assert "away" not in operator.screen_text
        asked = len(peer.requests)
        await operator.pass_time(25.0, step=1.0)
        assert len(peer.requests) == asked
        await operator.press("r")
        assert len(peer.requests) > asked
        peer.come_back()
        await operator.pass_time(31.0, step=1.0)
        assert operator.notice.startswith(" ● live")


async def test_a_service_that_says_when_to_ask_again_is_asked_then() -> None:
    async with watch_live() as operator:
        peer = operator.peer
        peer.fail = lambda _: httpx.Response(503, headers={"Retry-After": "20"})
        peer.close_streams()
        await operator.pass_time(2.0)
        peer.requests.clear()
        await operator.pass_time(60.0, step=0.2)
        # Stream, board and status, three times.
        assert len(peer.requests) <= 9


async def test_a_board_that_is_put_off_is_not_read_each_second() -> None:
    async with watch_live() as operator:
        peer = operator.peer

        def refuse(request: httpx.Request) -> httpx.Response | None:
            if "/page" not in request.url.path:
                return None
            error = {"error": "Not yet; wait.", "code": "ledger_busy"}
            return httpx.Response(503, json=error, headers={"Retry-After": "20"})

        peer.fail = refuse
        await operator.pass_time(2.0)
        assert "! error ledger_busy: Not yet. Asked again in 20 s." in operator.notice
        peer.requests.clear()
        await operator.pass_time(17.0, step=1.0)
        assert PAGE not in peer.requests
        await operator.pass_time(20.0, step=1.0)
        assert peer.requests.count(PAGE) == 1
        peer.come_back()
        await operator.press("r")
        assert operator.notice.startswith(" ● live")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("9" * 400, 60), ("-1", 0), ("Mon, 23 Nov 2026 12:00:30 GMT", 0), ("١٢", 0)],
)
async def test_how_long_a_service_wants_to_be_left_alone(header: str, seconds: float) -> None:
    answer = httpx.Response(503, headers=httpx.Headers([(b"Retry-After", header.encode())]))
    gateway = Gateway(URL, httpx.MockTransport(lambda _: answer), clock=FrozenClock())
    for _ in range(2):
        with pytest.raises(Refused) as caught:
            await gateway.read_status()
        assert caught.value.delay_seconds == seconds
    await gateway.close()


async def test_a_slow_service_is_not_asked_for_the_board_more_often_than_it_can() -> None:
    peer = ServicePeer(FrozenClock())
    async with watch_live(peer) as operator:
        asked = peer.requests.count(PAGE)
        for _ in range(20):
            peer.add_score(5, 1)
            await operator.pass_time(0.05)
        # A second of twenty changes: one read for each fifth of it.
        assert 4 <= peer.requests.count(PAGE) - asked <= 6


async def test_the_operator_does_not_wait_for_the_pause_after_a_slow_read() -> None:
    peer = ServicePeer(FrozenClock())
    peer.scores = [(number, f"player {number}", 99_999 - number) for number in range(1, 5_001)]
    peer.page_seconds = 2.0
    async with watch_live(peer) as operator:
        await operator.pass_time(2.4)
        await operator.press("g", "4", "0", "0", "0", "enter")
        assert "Fetching the players around place 4,000" in operator.notice
        await operator.pass_time(2.2)
        assert "3,500 to 4,499 listed" in operator.notice


async def test_without_redis_the_board_is_read_and_marked_stale() -> None:
    async with watch_live() as operator:
        operator.peer.away = {"redis", "index", "worker", "scheduler"}
        operator.peer.stale = True
        operator.peer.scores[0] = (1, "ada", 12_345)
        await operator.pass_time(4.0)
        assert "◐ stale" in operator.notice
        assert "Redis is away" in operator.notice
        assert "12,345" in operator.screen_text


async def test_a_hundred_attempts_in_vain_are_one_event() -> None:
    async with watch_live() as operator:
        operator.peer.go_away()
        await operator.pass_time(120.0)
        texts = [event.text for event in operator.console.state.log]
        assert texts.count("disconnected: nothing answers") == 1


async def test_what_is_not_a_leaderboard_is_an_error_and_not_a_crash() -> None:
    peer = ServicePeer(FrozenClock())
    peer.fail = lambda _: httpx.Response(200, html="<h1>It works!</h1>")
    async with open_console(peer) as operator:
        await operator.pass_time(0.4)
        assert "! error unexpected_answer: this is not a leaderboard's stream" in operator.notice


PLAYER = {"user_id": 1, "username": "ada"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(404, json={"error": "User not found", "code": "user_not_found"}), Refused),
        (httpx.Response(502, text="Bad Gateway"), Refused),
        (httpx.Response(200, text="hello"), NotUnderstood),
        (httpx.Response(200, json={"user_id": "x"}), NotUnderstood),
        (httpx.Response(200, json=PLAYER | {"joined_at": "2026-11-23T12:00:00"}), NotUnderstood),
    ],
)
async def test_gateway_raises_its_own_errors_only(
    answer: httpx.Response, error: type[Exception]
) -> None:
    gateway = Gateway(URL, httpx.MockTransport(lambda _: answer))
    with pytest.raises(error):
        await gateway.find_player(1)
    await gateway.close()


@pytest.mark.parametrize(
    "failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.ReadError]
)
async def test_gateway_calls_every_failed_connection_unreachable(
    failure: type[httpx.TransportError],
) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise failure("no")

    gateway = Gateway(URL, httpx.MockTransport(fail))
    with pytest.raises(Unreachable):
        await gateway.read_status()
    with pytest.raises(Unreachable):
        await anext(gateway.follow_top("global"))
    await gateway.close()


@asynccontextmanager
async def listen(tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Yield a port where every connection is accepted and closed."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def read_failure(url: str) -> tuple[str, str]:
    gateway = Gateway(url)
    with pytest.raises(Unreachable) as caught:
        await gateway.read_status()
    await gateway.close()
    return caught.value.code, caught.value.message


LOST = "the connection broke (Server disconnected without sending a response)"


def issue_certificate(authority: trustme.CA) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    return tls


async def test_a_certificate_is_accepted_of_whom_the_machine_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    async with listen(issue_certificate(authority)) as port:
        assert await read_failure(f"HTTPS://localhost:{port}") == ("connection_lost", LOST)


async def test_a_certificate_that_is_not_accepted_is_not_a_service_that_is_away() -> None:
    tls = issue_certificate(trustme.CA())
    async with listen(tls) as port:
        code, message = await read_failure(f"https://localhost:{port}")
        assert code == "tls_failed"
        assert message.startswith("the certificate is not accepted (")
        assert "certificate" in message.partition("(")[2]
        assert await read_failure(f"http://localhost:{port}") == ("connection_lost", LOST)


async def test_what_speaks_no_tls_is_said_to() -> None:
    async with listen() as port:
        code, message = await read_failure(f"https://localhost:{port}")
    assert code == "tls_failed"
    assert message.startswith("TLS fails (")
    # With nobody there it is as without TLS.
    refused = ("connection_refused", "nothing answers")
    assert await read_failure(f"https://localhost:{port}") == refused


async def test_a_host_that_is_not_found_is_not_a_service_that_is_away() -> None:
    peer = ServicePeer(FrozenClock())

    def fail(request: httpx.Request) -> httpx.Response:
        # httpx tells it in the cause alone.
        unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        raise httpx.ConnectError(str(unknown), request=request) from unknown

    peer.fail = fail
    async with open_console(peer) as operator:
        await operator.pass_time(0.4)
        assert "the host is not found (Name or service not known)" in operator.notice


async def test_an_answer_of_another_address_names_that() -> None:
    moved = httpx.Response(301, headers={"location": "https://games.example/"})
    gateway = Gateway(URL, httpx.MockTransport(lambda _: moved))
    with pytest.raises(Refused, match=r"HTTP 301 with another address, https://games\.example/"):
        await gateway.read_status()
    await gateway.close()


async def test_an_answer_in_an_encoding_that_it_is_not_in_is_not_understood() -> None:
    class Garbled(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            headers = {"content-encoding": "gzip", "content-type": "text/event-stream"}
            return httpx.Response(200, headers=headers, stream=httpx.ByteStream(b"no gzip"))

    gateway = Gateway(URL, Garbled())
    with pytest.raises(NotUnderstood):
        await gateway.read_status()
    with pytest.raises(NotUnderstood):
        await anext(gateway.follow_top("global"))
    await gateway.close()
