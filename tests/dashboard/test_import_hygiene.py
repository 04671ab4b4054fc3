"""What the console knows stays apart from how it is shown."""

import subprocess
import sys

KNOWLEDGE = (
    "dashboard.client.answers",
    "dashboard.state.board",
    "dashboard.state.data_state",
    "dashboard.state.event_log",
    "dashboard.client.event_stream",
    "dashboard.export",
    "dashboard.text.numbers",
    "dashboard.state.freshness",
    "dashboard.client.gateway",
    "dashboard.state.health",
    "dashboard.client.link_state",
    "dashboard.state.lookup",
    "dashboard.text.names",
    "dashboard.state.console_state",
)


def test_knowledge_needs_no_user_interface() -> None:
    script = f"import sys, {', '.join(KNOWLEDGE)}; sys.exit('textual' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_only_the_gateway_knows_http() -> None:
    # These two hold the gateway's errors.
    others = set(KNOWLEDGE) - {
        "dashboard.client.gateway",
        "dashboard.state.lookup",
        "dashboard.state.console_state",
    }
    script = f"import sys, {', '.join(sorted(others))}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
