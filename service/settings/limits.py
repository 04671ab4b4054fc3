"""The allowed values of a setting in words, for the table in service/README.md and for errors."""

from typing import Any, Literal, get_args, get_origin


def describe_limits(annotation: Any, metadata: list[Any]) -> str:
    """Return what the type and bounds of a field allow; empty where they allow anything."""
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if annotation is bool:
        return "`true`, `false`"
    bounds = {
        name: getattr(one, name)
        for one in metadata
        for name in ("ge", "gt", "le", "lt")
        if getattr(one, name, None) is not None
    }
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    if bounds.keys() == {"ge", "le"}:
        return f"{bounds['ge']:,} to {bounds['le']:,}"
    return ", ".join(f"{words[name]} {bounds[name]:,}" for name in words if name in bounds)


def describe_allowed(annotation: Any, metadata: list[Any]) -> str:
    """Return what an error message asks for, such as "a whole number, 4 to 200"."""
    limits = describe_limits(annotation, metadata).replace("`", "")
    kinds: dict[Any, str] = {int: "a whole number, ", float: "a number, "}
    prefix = kinds.get(annotation, "one of " if limits else "")
    return f"{prefix}{limits}"
