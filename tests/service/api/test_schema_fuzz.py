"""Thousands of requests made from the service's own schema, right ones and wrong ones."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
CONFIGURATION = ROOT / "tests" / "schemathesis.toml"
LEAST_CASES = 2_000


def test_schema_keeps_its_word(live: str, tmp_path: Path) -> None:
    fuzzing = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(CONFIGURATION),
            "run", f"{live}/schema",
            "--checks", "all",
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", "50",
            "--suppress-health-check", "all",
            "--generation-database", "none",
            "--continue-on-failure",
            "--seed", "1",
            "--no-color",
        ],
        cwd=tmp_path,
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
