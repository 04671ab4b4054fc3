import pytest

from dashboard.simulation.client.requests import Target, shorten

KEY = "lb_key"


def test_a_submit_has_its_line_its_headers_and_its_body() -> None:
    request = Target("http://localhost:8000/game/", KEY).write_request(
        "POST", "/api/leaderboard/submit", b'{"score":1}', "submit-1"
    )
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == "POST /game/api/leaderboard/submit HTTP/1.1"
    assert dict(header.split(": ") for header in headers) == {
        "Host": "localhost:8000",
        "Accept": "application/json",
        "Authorization": f"Bearer {KEY}",
        "Idempotency-Key": "submit-1",
        "Content-Type": "application/json",
        "Content-Length": "11",
    }
    assert body == b'{"score":1}'


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.org", "example.org"),
        ("https://example.org:443", "example.org"),
        ("https://example.org:8443", "example.org:8443"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://bücher.example", "xn--bcher-kva.example"),
    ],
)
def test_a_read_without_a_key_has_a_host_and_no_body(url: str, host: str) -> None:
    request = Target(url).write_request("GET", "/api/leaderboard/top?limit=10", None, None)
    assert request.decode() == (
        f"GET /api/leaderboard/top?limit=10 HTTP/1.1\r\nHost: {host}\r\n"
        "Accept: application/json\r\n\r\n"
    )


def test_of_what_a_server_says_the_start_is_kept_on_one_line() -> None:
    assert shorten("gone\r\n \x1b[2J") == "gone [2J"
    assert shorten("x" * 300) == "x" * 300
    assert shorten("x" * 301) == "x" * 300 + "…"
