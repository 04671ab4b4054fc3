"""What the console knows stays apart from how it is shown."""

import subprocess
import sys

KNOWLEDGE = (
    "dashboard.answers",
    "dashboard.board",
    "dashboard.condition",
    "dashboard.event_log",
    "dashboard.event_stream",
    "dashboard.export",
    "dashboard.figures",
    "dashboard.freshness",
    "dashboard.gateway",
    "dashboard.health",
    "dashboard.link",
    "dashboard.lookup",
    "dashboard.names",
    "dashboard.picture",
)


def test_knowledge_needs_no_user_interface() -> None:
    script = f"import sys, {', '.join(KNOWLEDGE)}; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_only_the_gateway_knows_http() -> None:
    # These two hold the gateway's errors.
    others = set(KNOWLEDGE) - {"dashboard.gateway", "dashboard.lookup", "dashboard.picture"}
    script = f"import sys, {', '.join(sorted(others))}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
