"""The tests' own order: helpers in `tests/support`, and the product's tree again."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TESTS = ROOT / "tests"
MIRRORED = ("service", "workers", "dashboard")


def list_imports(path: Path) -> set[str]:
    """Return every module that a file imports, and every name out of one."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return imported


def test_nothing_is_imported_from_a_test() -> None:
    tests = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in [*TESTS.rglob("test_*.py"), *TESTS.rglob("conftest.py")]
    }
    found = {
        str(path.relative_to(ROOT)): sorted(list_imports(path) & tests)
        for path in TESTS.rglob("*.py")
    }
    assert {name: imported for name, imported in found.items() if imported} == {}


def test_every_folder_of_tests_is_one_of_the_product() -> None:
    folders = {
        path.parent.relative_to(TESTS)
        for package in MIRRORED
        for path in (TESTS / package).rglob("test_*.py")
    }
    assert {str(folder) for folder in folders if not (ROOT / folder).is_dir()} == set()
