"""`leaderboard moderate`: what moderators may, in the terminal."""

import asyncio
import json
import sys

from service.backends.database import Database
from tests.support.factories import make_player, record_scores
from tests.support.up_process import clean_environment, run_leaderboard


async def test_what_moderators_may_in_the_terminal(
    database: Database, database_url: str, redis_url: str
) -> None:
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    one = await make_player(database, "ada")
    (session_id,) = await record_scores(database, (one, 10))

    def run(*arguments: object) -> str:
        done = run_leaderboard("moderate", *map(str, arguments), environment=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    revoked = json.loads(run("revoke", session_id, "--reason", "speedhack"))
    assert revoked["revoked_at"] is not None
    restored = json.loads(run("restore-all", one, "--reason", "a mistake"))
    assert restored["sessions"] == 1
    looked = json.loads(run("state", one, "hidden", "--dry-run", "--reason", "x"))
    assert looked["boards"] == []
    banned = json.loads(run("state", one, "banned", "--until", "2999-01-01", "--reason", "x"))
    assert banned["until"] == "2999-01-01T00:00:00Z"
    for options in (["--dry-run"], []):
        renamed = json.loads(run("rename", one, "lovelace", "--reason", "x", *options))
        assert renamed["username"] == "lovelace"
    looked = json.loads(run("delete", one, "--dry-run", "--reason", "x"))
    assert looked == {"user_id": one, "username": f"deleted-{one}", "boards": []}
    assert run("delete", one, "--reason", "x") == ""
    actions = [entry["action"] for entry in json.loads(run("log"))["entries"]]
    assert actions == ["revoke", "restore_many", "state", "rename", "delete"]
    newest = json.loads(run("log", "--order", "newest", "--limit", 1))["entries"]
    assert [entry["action"] for entry in newest] == ["delete"]

    unknown = run_leaderboard(
        *("moderate", "revoke", "999", "--reason", "x"), environment=environment
    )
    assert unknown.returncode == 1
    assert unknown.stderr.count("\n") == 1
    assert "no session" in unknown.stderr


async def test_a_name_is_read_where_the_locale_knows_ascii_alone(
    database: Database, database_url: str, redis_url: str
) -> None:
    ascii_alone = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url} | ascii_alone
    user_id = await make_player(database, "ada")
    name = "Zo\u00e9 \U0001f3c1"
    renamed = run_leaderboard(
        *("moderate", "rename", str(user_id), name, "--reason", "x"), environment=environment
    )
    assert renamed.returncode == 0, renamed.stderr
    assert json.loads(renamed.stdout)["username"] == name
    # A process of its own, which begins with that encoding.
    command = (sys.executable, "-m", "service.commands.main", "moderate", "rename", str(user_id))
    process = await asyncio.create_subprocess_exec(
        *(*command, name, "--reason", "x", "--dry-run"),
        env=clean_environment() | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    assert json.loads(printed.decode("ascii"))["username"] == name
