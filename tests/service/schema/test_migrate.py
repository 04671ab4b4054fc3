"""`leaderboard migrate` at the command line."""

from tests.support.parts import find_ports
from tests.support.up_process import run_leaderboard


def test_server_that_is_away_is_told_of_in_one_line() -> None:
    (port,) = find_ports(1)
    environment = {"DATABASE_URL": f"postgresql://me:secret@127.0.0.1:{port}/leaderboard"}
    answer = run_leaderboard("migrate", environment=environment)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith(f"error: cannot use the database at 127.0.0.1:{port}: ")
    assert answer.stderr.count("\n") == 1
