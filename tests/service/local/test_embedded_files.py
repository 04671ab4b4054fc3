"""Where the embedded servers keep their sockets and logs, and who may pass through."""

import os
from pathlib import Path

from service.local.embedded.child_logs import Log
from service.local.embedded.data_directory import Account, DataDirectory

STRANGER = Account("stranger", uid=54321, gid=54321)
LARGE = b"x" * 9 * 1024 * 1024


def test_account_may_pass_through_every_parent_and_no_more(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    folder = closed / "open" / "closed too"
    folder.mkdir(parents=True)
    closed.chmod(0o700)
    (closed / "open").chmod(0o755)
    folder.chmod(0o750)
    changed = STRANGER.open_path(folder)
    assert [path for path in changed if path.is_relative_to(closed)] == [closed, folder]
    assert [path.stat().st_mode & 0o777 for path in (closed, folder)] == [0o701, 0o751]
    assert STRANGER.open_path(folder) == []


def test_sockets_are_in_the_data_directory_where_their_path_fits() -> None:
    assert DataDirectory(Path("/srv/a b")).sockets == Path("/srv/a b/run")


def test_sockets_are_elsewhere_where_their_path_cannot_be_used() -> None:
    too_long = DataDirectory(Path("/srv") / ("x" * 80)).sockets
    two_hosts = DataDirectory(Path("/srv/a,b")).sockets
    assert too_long != two_hosts
    for sockets in (too_long, two_hosts):
        assert not sockets.is_relative_to("/srv")
        assert "," not in str(sockets)


def test_large_log_is_cut_while_its_writer_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path / "part.log")
    with log.opened() as writer:
        os.write(writer, LARGE + b"\nthe end\n")
        log.trim()
        os.write(writer, b"a new beginning\n")
    assert log.path.read_text() == "a new beginning\n"
    assert (tmp_path / "part.log.1").read_bytes().endswith(b"the end\n")
    assert log.path.stat().st_mode & 0o777 == 0o600


def test_small_log_is_left_alone(tmp_path: Path) -> None:
    log = Log(tmp_path / "part.log")
    for line in (b"first\n", b"second\n"):
        with log.opened() as writer:
            os.write(writer, line)
    assert log.path.read_text() == "first\nsecond\n"


def test_reason_is_the_last_error_of_this_start(tmp_path: Path) -> None:
    log = Log(tmp_path / "part.log")
    with log.opened() as writer:
        os.write(writer, b"FATAL:  of the start before\n")
    with log.opened() as writer:
        os.write(writer, b"[7] LOG:  starting\n[7] FATAL:  no space\n[7] LOG:  shut down\n")
    assert log.find_reason() == "FATAL:  no space"
    assert log.find_last_line() == "[7] LOG:  shut down"
    with log.opened():
        assert log.find_reason() == ""
