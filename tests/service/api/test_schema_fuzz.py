"""A short run of the fuzz by the schema; `tests.support.schema_fuzz` makes 100,000 cases of it."""

from contextlib import closing
from pathlib import Path

from tests.support.databases import Clusters
from tests.support.schema_fuzz import fuzz_schema
from tests.support.up_process import UpProcess

LEAST_CASES = 2_000


def test_schema_keeps_its_word(clusters: Clusters, tmp_path: Path) -> None:
    # Of its own: it bans and deletes the players of others.
    with closing(UpProcess(clusters.make("fuzzed"))) as up:
        cases = fuzz_schema(up.wait_until_ready(), tmp_path, examples=5, seed=1)
    assert cases >= LEAST_CASES
