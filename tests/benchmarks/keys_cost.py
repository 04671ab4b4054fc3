"""What API keys cost a submit: `python -m tests.benchmarks.keys_cost`.

Two equal stacks side by side, one of which was given a key, take turns under the same load. The
budget is 95 % of the submits a second without keys.
"""

from dataclasses import replace

import click
import uvloop

from tests.benchmarks.compare import Side, compare, print_comparisons
from tests.benchmarks.plan import HEADLINE_CONNECTIONS, QUICK
from tests.benchmarks.report import make_console
from tests.benchmarks.stack import run_stack, stop_on_termination
from tests.benchmarks.traffic import name_generator

_PLAYERS = 10_000


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 60), default=4, show_default=True)
def main(rounds: int, seconds: int) -> None:
    """Compare submits with and without API keys."""
    stop_on_termination()
    uvloop.run(_run(rounds, seconds))


async def _run(rounds: int, seconds: int) -> None:
    click.echo(f"load from {name_generator()}, {HEADLINE_CONNECTIONS} connections")
    plan = replace(QUICK, rounds=rounds, seconds=seconds)
    async with run_stack(processes=1) as keyless, run_stack(processes=1) as keyed:
        for stack in (keyless, keyed):
            await stack.populate(_PLAYERS, _PLAYERS)
        made = await keyed.run_command("keys", "create", "--role", "submit", "--name", "load")
        target = replace(await keyed.find_target(), api_key=made.split()[-1])
        with_keys = Side("with keys", keyed, target)
        without = Side("without", keyless, await keyless.find_target())
        comparison = await compare(with_keys, without, "submit", plan, click.echo)
    console = make_console()
    print_comparisons(console, [comparison], with_keys.name, without.name)


if __name__ == "__main__":
    main()
