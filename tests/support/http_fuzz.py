"""Raw requests from a grammar of our own, right and wrong ones, against a service that runs.

    uv run python -m tests.support.http_fuzz --url http://127.0.0.1:8000 --seconds 3600

Each connection has a seed, from which alone everything that it sends follows. Right requests are
answered once each, in their order; nothing that a body holds is ever answered; what is wrong gets
one refusal at most; and nothing is answered with a 500, or not at all.
"""

import argparse
import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_SECONDS = 45.0
AT_ONCE = 16
NOBODY = 2**53 - 1

METHODS = (
    *("GET", "GET", "GET", "HEAD", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"),
    *("TRACE", "PROPFIND", "M-SEARCH"),
)
PATHS = (
    *("/", "/docs", "/schema/nothing", "/health/live", "/metrics", "/nothing", "//health//live/"),
    *("/api/leaderboard/top", "/api/leaderboard/top?limit=3", "/api/leaderboard/top?limit=x"),
    *("/api/leaderboard/rank/1", "/api/leaderboard/rank/%31", "/api/leaderboard/rank/0"),
    *("/api/leaderboard/submit", "/api/leaderboard/submit", "/api/leaderboard/submit/bulk"),
    *("/api/players", "/api/players?username=%00", "/api/players/1/sessions?before=0"),
    *("/%2e%2e/health/live", "/a;b?c=d&e&&=", "/%ff%fe"),
)
BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"\xef\xbb\xbf{}",
    b"\xff\xfe\x00",
    b"[[[[[[[[",
    b'{"user_id": %d, "score": 1}' % NOBODY,
    b'{"user_id": %d.0, "score": 1e2}' % NOBODY,
    b'[{"user_id": %d, "score": 1, "idempotency_key": "k"}]' % NOBODY,
    b'{"username": ""}',
    b"GET /health/live HTTP/1.1\r\nHost: evil\r\nX-Request-Id: evil\r\n\r\n",
    b"0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: evil\r\nX-Request-Id: evil\r\n\r\n",
    b"GET /health/live HTTP/1.1\r\nHost: evil\r\nX-Request-Id: evil\r\n\r\n" * 50,
)
EXTRAS = (
    *(b"Accept: text/html", b"accept:*/*", b"TE: trailers, deflate", b"Origin: null"),
    *(b"Connection: keep-alive", b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c"),
    *(b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13", b"Upgrade: h2c"),
    *(b"Content-Type: application/json", b"CONTENT-TYPE:\tapplication/x-ndjson  "),
    *(b"Content-Type: application/json", b"Content-Type: text/plain", b"Content-Encoding: gzip"),
    *(b"Idempotency-Key: k", b"Idempotency-Key:  k \t", b"Idempotency-Key: \xc3\xa9"),
    *(b"Authorization: Bearer x", b"Authorization: \xff", b"X-Forwarded-Prefix: /lb"),
    *(b"X-Empty:", b"X-Long: " + b"x" * 5_000, b"Cookie: a=b; c=d", b"Trailer: X-Last"),
    *(b"Range: bytes=0-1", b"If-None-Match: *", b"Expect: something", b"Max-Forwards: 0"),
)
WRONG = (
    b"hello\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\nContent-Length: 9\r\n\r\nGET / HTT",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\nHost: x\n\n",
)

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [A-Z][^\r]*\r\n")


@dataclass(frozen=True)
class Sent:
    """A right request, and how to recognise its answer."""

    data: bytes
    request_id: bytes
    is_head: bool
    is_last: bool


@dataclass(frozen=True)
class Answer:
    """A final answer."""

    status: int
    request_id: bytes
    is_last: bool


class Broken(Exception):
    """The service did what it must never do."""


def make_request(rng: random.Random, request_id: bytes, *, is_last: bool) -> Sent:
    """Return a request that RFC 9110 and 9112 allow, if only just."""
    method = rng.choice(METHODS)
    path = rng.choice(PATHS)
    target = f"http://there{path}" if rng.random() < 0.1 else path
    lines = [f"{method} {target} HTTP/1.1".encode()]
    headers = [rng.choice((b"Host: here", b"hOST:here:80\t", b"Host: [::1]:8000"))]
    headers += [b"X-Request-Id: " + request_id]
    headers += rng.sample(EXTRAS, rng.randrange(5))
    body = rng.choice(BODIES) if method in {"POST", "PUT", "PATCH"} or rng.random() < 0.1 else None
    if body is not None and rng.random() < 0.5:
        headers.append(rng.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked ")))
        data = chunk(rng, body)
    elif body is not None:
        headers.append(b"Content-Length: %d" % len(body))
        data = body
    else:
        data = b""
    if is_last:
        headers.append(b"Connection: close")
        if body is not None and rng.random() < 0.3:
            headers.append(b"Expect: 100-continue")
    rng.shuffle(headers)
    before = b"\r\n" * rng.choice((0, 0, 0, 1))
    head = before + b"\r\n".join([*lines, *headers]) + b"\r\n\r\n"
    return Sent(head + data, request_id, method == "HEAD", is_last)


def chunk(rng: random.Random, body: bytes) -> bytes:
    """Return a body in chunks, with what may be in between."""
    parts = []
    while body:
        size = rng.randint(1, len(body))
        extension = rng.choice((b"", b"", b";a", b";a=b", b' ;a="b c"'))
        parts.append(rng.choice((b"%x", b"%X", b"00%x")) % size + extension + b"\r\n")
        parts.append(body[:size] + b"\r\n")
        body = body[size:]
    trailers = rng.choice((b"", b"", b"X-Last: 1\r\n", b"X-Request-Id: evil\r\nHost: evil\r\n"))
    return b"".join(parts) + b"0\r\n" + trailers + b"\r\n"


def make_wrong(rng: random.Random) -> bytes:
    """Return bytes that are most likely no request."""
    if rng.random() < 0.3:
        return rng.choice(WRONG)
    data = bytearray(make_request(rng, b"wrong", is_last=False).data)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(data) + 1)
        length = rng.choice((1, 1, 2, 10, 100))
        match rng.randrange(4):
            case 0:
                data[place : place + 1] = rng.randbytes(1)
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[place : place + length]
            case _:
                data[place:place] = rng.choice((b"\r\n", b"\n", b"\0", b" ", b":", b"\r", b"\xff"))
    return bytes(data) if rng.random() < 0.8 else bytes(data[: rng.randrange(len(data) + 1)])


async def read_answer(reader: asyncio.StreamReader, *, is_head: bool) -> Answer | None:
    """Return the next final answer; None at the end."""
    while True:
        line = await reader.readline()
        if not line:
            return None
        version, _, rest = line.partition(b" ")
        if version != b"HTTP/1.1" or not rest[:3].isdigit():
            raise Broken(f"this is no answer: {line[:80]!r}")
        status = int(rest[:3])
        headers: dict[bytes, bytes] = {}
        while (line := await reader.readline()) not in {b"\r\n", b""}:
            name, _, value = line.strip().partition(b": ")
            if name in headers:
                raise Broken(f"a header comes twice: {name!r}")
            headers[name] = value
        if status != 100:
            break
    if not is_head and status not in {204, 304}:
        await read_body(reader, headers)
    for name in (b"date", b"x-request-id", b"cache-control"):
        if name not in headers:
            raise Broken(f"a {status} has no {name!r}")
    return Answer(status, headers[b"x-request-id"], headers.get(b"connection") == b"close")


async def read_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> None:
    """Read the body of an answer."""
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
        if headers.get(b"content-type") == b"application/json" and body:
            json.loads(body)
        return
    if headers.get(b"transfer-encoding") != b"chunked":
        raise Broken("an answer says nothing of its length")
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
    await reader.readline()


async def send_parts(rng: random.Random, writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send in packets of any size, each read by itself or not."""
    while data:
        size = rng.choice((1, 2, 50, 500, 100_000))
        writer.write(data[:size])
        await writer.drain()
        data = data[size:]
        if rng.random() < 0.3:
            await asyncio.sleep(0)


async def try_connection(place: tuple[str, int], seed: int) -> Counter[int]:
    """Have one connection, and return how many answers of each status there were."""
    rng = random.Random(seed)
    is_wrong = rng.random() < 0.6
    count = rng.randint(0 if is_wrong else 1, 6)
    requests = [
        make_request(rng, b"%d-%d" % (seed, number), is_last=not is_wrong and number == count - 1)
        for number in range(count)
    ]
    statuses: Counter[int] = Counter()
    reader, writer = await asyncio.open_connection(*place)
    try:
        data = b"".join(request.data for request in requests)
        sending = asyncio.create_task(send_parts(rng, writer, data))
        for request in requests:
            answer = await read_answer(reader, is_head=request.is_head)
            if answer is None:
                raise Broken(f"{request.request_id!r} was not answered: {request.data[:300]!r}")
            if answer.status == 500 or answer.request_id != request.request_id:
                raise Broken(f"{request.data[:300]!r} was answered with {answer}")
            statuses[answer.status] += 1
        await sending
        if is_wrong:
            await try_wrong(rng, reader, writer, statuses)
        elif await reader.read():
            raise Broken("there is more than was asked for")
    finally:
        writer.close()
    return statuses


async def try_wrong(
    rng: random.Random,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    statuses: Counter[int],
) -> None:
    """Send what is wrong, and see how it is refused."""
    wrong = make_wrong(rng)
    try:
        writer.write(wrong)
        writer.write_eof()
        # HEAD, if it is one by accident, has no body to be read.
        answers = _STATUS_LINE.findall(await reader.read())
    except OSError:
        # It was refused before all of it was read; a socket that is no longer connected (ENOTCONN)
        # is no `ConnectionError`.
        return
    if len(answers) > max(1, wrong.count(b" HTTP/")):
        raise Broken(f"{wrong[:300]!r} was answered {len(answers)} times")
    for answer in answers:
        statuses[int(answer)] += 1
        if answer == b"500":
            raise Broken(f"{wrong[:300]!r} was answered with a 500")


async def fuzz(
    url: str, first_seed: int, goes_on: Callable[[int], bool], report: Callable[[str], None]
) -> Counter[int]:
    """Try one connection after the other, some at once; raises `Broken` with the seed."""
    parts = urlsplit(url)
    place = (str(parts.hostname), parts.port or 80)
    statuses: Counter[int] = Counter()
    tried = 0

    async def go_on() -> None:
        nonlocal tried
        while goes_on(tried):
            seed = first_seed + tried
            tried += 1
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    statuses.update(await try_connection(place, seed))
            except (
                Broken,
                TimeoutError,
                OSError,
                asyncio.IncompleteReadError,
                ValueError,
            ) as error:
                raise Broken(f"seed {seed}: {error!r}") from error
            if tried % 10_000 == 0:
                report(f"{tried:,} connections, {statuses.total():,} answers")

    workers: list[Awaitable[None]] = [go_on() for _ in range(AT_ONCE)]
    await asyncio.gather(*workers)
    report(f"{tried:,} connections from seed {first_seed} on: {dict(sorted(statuses.items()))}")
    return statuses


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=3_600)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--connections", type=int, default=sys.maxsize)
    options = parser.parse_args()
    sys.stdout.write(f"seed {options.seed}\n")
    ends_at = time.monotonic() + options.seconds

    def goes_on(tried: int) -> bool:
        return tried < int(options.connections) and time.monotonic() < ends_at

    def report(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    asyncio.run(fuzz(options.url, options.seed, goes_on, report))


if __name__ == "__main__":
    main()
