"""Requests made from the service's own schema, right ones and wrong ones, by schemathesis.

    uv run python -m tests.support.schema_fuzz --url http://127.0.0.1:8000 --cases 100000 --seed 7

It bans and deletes players: not for a service that anybody else uses. It ends with 1, and what
failed, where an answer breaks the schema's word, is a 500, or does not come.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_ROOT: Final = Path(__file__).parents[2]
_CONFIGURATION: Final = _ROOT / "tests" / "schemathesis.toml"
_EXAMPLES_AT_ONCE: Final = 100


def fuzz_schema(url: str, directory: Path, *, examples: int, seed: int) -> int:
    """Try every call with up to so many examples; return how many requests were made of the schema.

    Raises `AssertionError` with the report of what failed.
    """
    fuzzing = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli",
            "--config-file", str(_CONFIGURATION),
            "run", f"{url}/schema",
            "--checks", "all",
            "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(examples),
            "--request-timeout", "60",
            "--suppress-health-check", "all",
            "--generation-database", "none",
            "--continue-on-failure",
            "--seed", str(seed),
            "--no-color",
        ],
        cwd=directory,
        env={
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            # Which characters UTF-8 can write takes hypothesis two seconds to find out.
            "HYPOTHESIS_STORAGE_DIRECTORY": str(_ROOT / ".hypothesis"),
        },
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert fuzzing.returncode == 0, fuzzing.stdout[-6_000:] + fuzzing.stderr
    generated = re.search(r"([\d,]+) generated", fuzzing.stdout)
    assert generated is not None, fuzzing.stdout[-2_000:]
    return int(generated[1].replace(",", ""))


def main() -> int:
    """Fuzz a service that runs until there were so many cases."""
    parser = argparse.ArgumentParser(description="Fuzz a service by its own schema.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--cases", type=int, default=100_000, help="how many, at least")
    parser.add_argument(
        "--seed", type=int, default=1, help="of the first round; then one more each"
    )
    options = parser.parse_args()
    cases, seed, started_at = 0, options.seed, time.monotonic()
    with TemporaryDirectory() as directory:
        while cases < options.cases:
            try:
                cases += fuzz_schema(
                    options.url, Path(directory), examples=_EXAMPLES_AT_ONCE, seed=seed
                )
            except AssertionError as error:
                sys.stderr.write(f"{error}\nseed {seed} after {cases:,} cases\n")
                return 1
            elapsed = time.monotonic() - started_at
            sys.stdout.write(f"{cases:,} cases, none failed, {elapsed:,.0f} s, seed {seed}\n")
            sys.stdout.flush()
            seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
