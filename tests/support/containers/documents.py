"""The commands that a document shows, and what it says that they print."""

import re
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


@dataclass(frozen=True)
class Shown:
    """A command as it stands in a document, and the lines below it."""

    command: str
    output: str

    def check(self, printed: str) -> None:
        """Compare what it printed, but for times and for what the document leaves out with `…`."""
        pattern = re.escape(_TIME.sub("TIME", self.output)).replace("…", ".*")
        found = _TIME.sub("TIME", printed).strip()
        assert re.fullmatch(pattern, found, re.DOTALL), f"{self.command}\n{printed}"


def read_section(document: Path, heading: str) -> list[Shown]:
    """Return the commands below a heading, up to the next one of its rank or a higher one."""
    rank = heading.index(" ")
    _, _, rest = document.read_text("utf-8").partition(f"\n{heading}\n")
    assert rest, f"{document.name} has no {heading}"
    section = re.split(rf"(?m)^#{{1,{rank}}} ", rest)[0]
    return [shown for block in _BLOCK.findall(section) for shown in _read_block(block)]


def _read_block(block: str) -> list[Shown]:
    found: list[Shown] = []
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        lines = part.splitlines()
        end = 1
        while _is_open("\n".join(lines[:end])):
            end += 1
        found.append(Shown("\n".join(lines[:end]), "\n".join(lines[end:]).strip()))
    return found


def _is_open(command: str) -> bool:
    """Tell whether the next line belongs to the command: it ends in a backslash or in a text."""
    return command.endswith("\\") or re.sub(r"(?m)\s#\s.*", "", command).count("'") % 2 == 1
