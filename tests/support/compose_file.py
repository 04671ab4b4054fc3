"""`compose.yml` and `.env.example`, read as compose reads them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
# What takes the place of one that is not set may have others in it.
VARIABLE = re.compile(
    r"\$\$|\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>(?:\$\{[^}]*\}|[^}])*))?\}"
)


def read_example() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def substitute(text: str, variables: Mapping[str, str]) -> str:
    """Do what compose does with the forms of `$` that the file uses."""

    def replace(found: re.Match[str]) -> str:
        name = found["name"]
        if name is None:
            return "$"
        if variables.get(name):
            return variables[name]
        assert found["kind"] == "-", f"{name} is not set: {found['rest']}"
        return substitute(found["rest"], variables)

    return VARIABLE.sub(replace, text)


def read_compose(variables: Mapping[str, str]) -> dict[str, Any]:
    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: walk(one) for key, one in value.items()}
        if isinstance(value, list):
            return [walk(one) for one in value]
        return substitute(value, variables) if isinstance(value, str) else value

    file = walk(yaml.safe_load((ROOT / "compose.yml").read_text()))
    assert isinstance(file, dict)
    return file
