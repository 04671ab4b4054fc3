"""Rules about the source itself, checked so that they last."""

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("service", "workers", "dashboard")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
STATEMENTS = sorted((ROOT / "service").rglob("*.sql"))
SCRIPTS = sorted((ROOT / "service").rglob("*.lua"))
WRITES = re.compile(
    r"\b(INSERT INTO|DELETE FROM|UPDATE [a-z]|TRUNCATE|LOCK TABLE"
    r"|FOR (NO KEY )?UPDATE|FOR (KEY )?SHARE)"
)
# A file is as long as its subject; one that is longer than this gives its reason here.
MOST_LINES = 500
MOST_MODULES_OF_A_FOLDER = 10

# What the console must reach over HTTP only.
FORBIDDEN_TO_DASHBOARD = {
    "service",
    "workers",
    "litestar",
    "dramatiq",
    "periodiq",
    "piccolo",
    "asyncpg",
    "psycopg",
    "redis",
    "valkey",
}


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def find_calls(function: str) -> Iterator[tuple[str, ...]]:
    """Yield the text arguments of each call of a function in the three packages."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            called = node.func.id if isinstance(node.func, ast.Name) else called
            if called == function:
                yield tuple(
                    argument.value
                    for argument in node.args
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                )


def test_every_statement_is_loaded_in_one_place() -> None:
    loaded = [f"service/{noun}/sql/{name}.sql" for noun, name in find_calls("load_sql")]
    assert sorted(loaded) == sorted(map(name_of, STATEMENTS))


def test_every_script_is_loaded_in_one_place() -> None:
    loaded, functions = [], set()
    for noun, name, *others in find_calls("load_script"):
        loaded.append(f"service/{noun}/lua/{name}.lua")
        # What several scripts share is put before each.
        functions |= {f"service/{noun}/lua/{other}.lua" for other in others}
    assert sorted([*loaded, *functions]) == sorted(map(name_of, SCRIPTS))


@pytest.mark.parametrize("path", STATEMENTS + SCRIPTS, ids=name_of)
def test_statement_begins_with_its_purpose(path: Path) -> None:
    first, *_ = path.read_text("utf-8").splitlines()
    assert re.match(r"-- [A-Z].{15,}", first), first


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_statement_explains_its_parameters(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    comment = "\n".join(line for line in lines if line.startswith("--"))
    statement = "\n".join(line.partition("--")[0] for line in lines)
    used = {int(number) for number in re.findall(r"\$(\d+)", statement)}
    explained = {int(number) for number in re.findall(r"\$(\d+)", comment)}
    for first, last in re.findall(r"\$(\d+) to \$(\d+)", comment):
        explained.update(range(int(first), int(last)))
    assert used <= explained


@pytest.mark.parametrize("path", STATEMENTS, ids=name_of)
def test_statement_that_writes_names_its_locks(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    comment = "\n".join(line for line in lines if line.startswith("--"))
    statement = "\n".join(line.partition("--")[0] for line in lines)
    assert not WRITES.search(statement) or "Locks:" in comment


def test_modules_can_be_read_whole() -> None:
    lengths = {name_of(path): len(path.read_text("utf-8").splitlines()) for path in MODULES}
    assert [name for name, length in lengths.items() if length > MOST_LINES] == []


def test_folders_have_about_ten_modules() -> None:
    modules = Counter(name_of(path.parent) for path in MODULES if path.name != "__init__.py")
    full = {name: number for name, number in modules.items() if number > MOST_MODULES_OF_A_FOLDER}
    assert full == {}


def test_dashboard_knows_the_service_over_http_only() -> None:
    imported: dict[str, set[str]] = {}
    for path in (ROOT / "dashboard").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                imported.setdefault(name.partition(".")[0], set()).add(name_of(path))
    assert {name: imported[name] for name in imported.keys() & FORBIDDEN_TO_DASHBOARD} == {}


def test_every_test_module_imports() -> None:
    tests = importlib.import_module("tests")
    for module in pkgutil.walk_packages(tests.__path__, "tests."):
        importlib.import_module(module.name)
