"""A short run of the fuzz by the schema; `tests.support.schema_fuzz` makes 100,000 cases of it."""

import asyncio
from pathlib import Path

from tests.support.databases import Clusters
from tests.support.schema_fuzz import fuzz_schema
from tests.support.whole_stack import run_whole_stack, serve_process

LEAST_CASES = 2_000


async def test_schema_keeps_its_word(clusters: Clusters, tmp_path: Path) -> None:
    # Of its own: it bans and deletes the players of others.
    async with run_whole_stack(clusters) as stack, serve_process(stack) as url:
        cases = await asyncio.to_thread(fuzz_schema, url, tmp_path, examples=5, seed=1)
    assert cases >= LEAST_CASES
