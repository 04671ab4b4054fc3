"""The documents: what they link to is there, and the code that they name has not moved."""

import importlib
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from service.errors import ServiceError
from service.http.bulk import BULK_BODY_LIMIT, BULK_LIMIT
from service.settings.settings import Settings

ROOT = Path(__file__).parents[2]
FOLDERS = (".github", "service", "workers", "dashboard", "migrations", "tests")
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
)
MOST_LINES_OF_README = 250

_CODE_BLOCK = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PATH = re.compile(r"`((?:service|workers|dashboard|migrations|tests|\.ci|\.github)/[\w./-]*)`")
_TEST_NAME = re.compile(r"`(test_\w+)`")
_TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
_SETTING = re.compile(r"\b(LEADERBOARD_[A-Z_]+)\b")
_KEY_OF_THE_CONSOLE = "LEADERBOARD_API_KEY"
_NAME = re.compile(r"`([A-Za-z_][\w.]*)(?:\(\))?`")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def read_text(path: Path) -> str:
    """Return a document without its blocks of code, whose brackets are no links."""
    return _CODE_BLOCK.sub("", path.read_text("utf-8"))


def find_links(document: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield text, file and anchor of each relative link."""
    for link in _LINK.finditer(read_text(document)):
        target, _, anchor = link["target"].partition("#")
        if "://" not in target:
            yield link["text"], (document.parent / target if target else document), anchor


def make_anchor(heading: str) -> str:
    """Return what GitHub calls a heading in links."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    broken = []
    for text, target, anchor in find_links(document):
        if not target.exists():
            broken.append(f"[{text}] {target}")
        elif anchor and anchor not in map(make_anchor, _HEADING.findall(read_text(target))):
            broken.append(f"[{text}] {target}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_path_that_is_named_exists(document: Path) -> None:
    named = set(_PATH.findall(read_text(document)))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@cache
def find_tests() -> frozenset[str]:
    return frozenset(
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in _TEST.findall(path.read_text("utf-8"))
    )


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_test_that_is_named_exists(document: Path) -> None:
    named = set(_TEST_NAME.findall(read_text(document)))
    assert sorted(named - find_tests()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_name_that_links_to_code_is_in_that_file(document: Path) -> None:
    missing = []
    for text, target, _ in find_links(document):
        name = _NAME.fullmatch(text)
        if name is not None and target.suffix == ".py":
            source = target.read_text("utf-8")
            missing += [
                f"{name_of(target)}: {part}"
                for part in name[1].split(".")
                if not re.search(rf"\b(class|def) {part}\b|^{part}\b", source, re.MULTILINE)
            ]
    assert missing == []


def test_architecture_names_the_rooms_on_each_floor_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (
        contract["layers"]
        for contract in contracts["contracts"]
        if contract.get("containers") == ["service"]
    )
    floors = {
        int(row[1]): re.findall(r"(?:^|· )`(\w+)`", row[2])
        for row in re.finditer(
            r"^\| (\d+) \| (.+) \|$", read_text(ROOT / ".github/ARCHITECTURE.md"), re.MULTILINE
        )
    }
    assert [floors[floor] for floor in sorted(floors, reverse=True)] == [
        layer.split(" | ") for layer in layers
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = set(_SETTING.findall(read_text(document)))
    settings = {f"LEADERBOARD_{field.upper()}" for field in Settings.model_fields}
    assert sorted(named - settings - {_KEY_OF_THE_CONSOLE}) == []


def test_documents_tell_how_large_a_bulk_request_may_be() -> None:
    limit = f"{BULK_BODY_LIMIT:,} bytes"
    readme, running = read_text(ROOT / "README.md"), read_text(ROOT / "service/README.md")
    assert f"up to {BULK_LIMIT:,} such bodies and {limit}" in readme
    assert f"in bulk {limit}" in running


def list_errors(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    """Yield a kind of error and all that are of this kind."""
    yield kind
    for other in kind.__subclasses__():
        yield from list_errors(other)


def test_documents_list_the_code_of_every_error() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        if 'code = "' in path.read_text("utf-8"):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    errors = {
        (kind.status, kind.code)
        for kind in list_errors(ServiceError)
        if kind.__module__.startswith("service.")
    }
    # What the framework refuses, and the page of readiness.
    errors |= {(404, "not_found"), (405, "method_not_allowed"), (503, "not_ready")}
    listed = {
        (int(row[1]), code)
        for row in re.finditer(
            r"^\| (\d{3}) \| (.+) \|$", read_text(ROOT / "service/README.md"), re.MULTILINE
        )
        for code in re.findall(r"(?:^|· )`(\w+)`", row[2])
    }
    assert listed == errors


def test_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < MOST_LINES_OF_README
