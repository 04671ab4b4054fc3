"""Commits that wait for a standby that never comes."""

import asyncio

import asyncpg

from tests.support.waiting import wait_until


async def wait_until_commits_wait(url: str) -> None:
    """Wait until `synchronous_standby_names` holds, which the checkpointer reads when it can."""
    watcher, committer = await asyncpg.connect(url), await asyncpg.connect(url)
    pid = committer.get_server_pid()

    async def has_waited() -> bool:
        committing = asyncio.create_task(
            committer.execute("SELECT pg_logical_emit_message(true, 'tests', 'a commit')")
        )

        async def is_decided() -> bool:
            waits = await watcher.fetchval(
                "SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE pid = $1", pid
            )
            return bool(waits) or committing.done()

        await wait_until(is_decided)
        waits = not committing.done()
        if waits:
            # It is committed all the same, with a warning.
            await watcher.execute("SELECT pg_cancel_backend($1)", pid)
        await committing
        return waits

    try:
        await wait_until(has_waited)
    finally:
        await committer.close()
        await watcher.close()
