"""What the console knows stays apart from how it is shown, and HTTP stays with its clients."""

import ast
import subprocess
import sys
from pathlib import Path

import dashboard

STATE = (
    "dashboard.client.answers",
    "dashboard.client.event_stream",
    "dashboard.client.gateway",
    "dashboard.client.link_state",
    "dashboard.client.submitter",
    "dashboard.runs.desk",
    "dashboard.runs.form",
    "dashboard.runs.single_submit",
    "dashboard.runs.source",
    "dashboard.state.board",
    "dashboard.state.console_state",
    "dashboard.state.data_state",
    "dashboard.state.event_log",
    "dashboard.state.parts.freshness",
    "dashboard.state.parts.health",
    "dashboard.state.lookup",
    "dashboard.state.parts.restarts",
    "dashboard.state.parts.verdict",
    "dashboard.state.parts.watch",
    "dashboard.state.run_events",
    "dashboard.text.names",
    "dashboard.text.numbers",
)


def test_state_needs_no_user_interface() -> None:
    script = f"import sys, {', '.join(STATE)}; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_only_the_client_knows_http() -> None:
    root = Path(dashboard.__file__).parent
    users = {
        path.relative_to(root).parts[0]
        for path in root.rglob("*.py")
        if "httpx" in list_imports(path)
    }
    # The traffic generator has a client of its own, made for speed.
    assert users == {"client", "simulation"}


def list_imports(path: Path) -> set[str]:
    """Return the names of the packages that a file imports, wherever in it."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}
