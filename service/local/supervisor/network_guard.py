"""Keeps a service without API keys, to which anybody could write, off the network."""

import socket

from service.backends.database import Database
from service.errors import DatabaseUnavailable, SchemaMissing, UsageError
from service.keys.service import list_keys
from service.local.supervisor.listener import is_loopback
from service.local.supervisor.terminal import print_line
from service.settings.settings import Settings


async def guard_network(settings: Settings, listener: socket.socket, *, insecure: bool) -> None:
    """Raise `UsageError` where other machines can reach a listener and no key was ever made.

    With `insecure` it only prints a warning. Where the database is away the start continues: the
    API lets nobody write before it knows the keys.
    """
    if is_loopback(listener):
        return
    host, port = listener.getsockname()[:2]
    try:
        has_key = await _was_key_made(settings)
    except DatabaseUnavailable as error:
        print_line(f"Nobody may write before the API keys can be read: {error.explain()}")
        return
    if has_key:
        return
    if not insecure:
        raise UsageError(
            f"no API key was ever made, and {host} is open to other machines: make one first with "
            "`leaderboard keys create --role admin --name operator` (`leaderboard up` on 127.0.0.1 "
            "gives it its database), or name --insecure to let anybody write"
        )
    print_line("!" * 78)
    print_line(f"!! INSECURE: whoever can reach {host} port {port} may write and operate.")
    print_line("!! `leaderboard keys create --role admin --name operator` ends that at once.")
    print_line("!" * 78)


async def _was_key_made(settings: Settings) -> bool:
    database = Database(settings, application_name="leaderboard start")
    await database.open()
    try:
        return bool(await list_keys(database))
    except SchemaMissing as error:
        raise UsageError(str(error)) from error
    finally:
        await database.close()
