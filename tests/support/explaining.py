"""Plans of the statements, as the driver has them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.backends.database import Database, load_sql


@dataclass
class Case:
    """A statement with parameters as in production, and the indexes that its comment names."""

    noun: str
    name: str
    parameters: tuple[object, ...]
    indexes: set[str]
    settings: str = ""

    def __str__(self) -> str:
        return self.name


async def explain(database: Database, case: Case, mode: str, options: str) -> dict[str, Any]:
    """Return the plan of a prepared statement, as the driver has them."""
    arguments = ", ".join(write_literal(parameter) for parameter in case.parameters)
    async with database.transaction() as connection:
        await connection.execute(f"SET LOCAL plan_cache_mode = {mode}; {case.settings}")
        await connection.execute(f"PREPARE plan_test AS {load_sql(case.noun, case.name)}")
        try:
            text = await connection.fetchval(
                f"EXPLAIN ({options}) EXECUTE plan_test{f'({arguments})' if arguments else ''}"
            )
        finally:
            await connection.execute("DEALLOCATE plan_test")
    (explained,) = json.loads(text)
    plan: dict[str, Any] = explained["Plan"]
    return plan


def write_literal(parameter: object) -> str:
    if isinstance(parameter, list):
        elements = ("NULL" if element is None else f'"{element}"' for element in parameter)
        return "'{" + ",".join(elements) + "}'"
    return f"'{parameter}'"


def walk(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from walk(child)
