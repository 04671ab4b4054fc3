"""Thousands of requests made from the service's own schema, right ones and wrong ones."""

import os
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.support.databases import Clusters
from tests.support.up_process import UpProcess

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "tests" / "schemathesis.toml"
LEAST_CASES = 2_000


def test_schema_keeps_its_word(clusters: Clusters, tmp_path: Path) -> None:
    # Of its own: it bans and deletes the players of others.
    with closing(UpProcess(clusters.make("fuzzed"))) as up:
        check_schema(up.wait_until_ready(), tmp_path)


def check_schema(url: str, directory: Path) -> None:
    fuzzing = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(CONFIGURATION),
            "run", f"{url}/schema",
            "--checks", "all",
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", "50",
            "--suppress-health-check", "all",
            "--generation-database", "none",
            "--continue-on-failure",
            "--seed", "1",
            "--no-color",
        ],
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    assert fuzzing.returncode == 0, fuzzing.stdout[-6_000:] + fuzzing.stderr
    generated = re.search(r"([\d,]+) generated", fuzzing.stdout)
    assert generated is not None, fuzzing.stdout[-2_000:]
    assert int(generated[1].replace(",", "")) >= LEAST_CASES
