"""What API keys cost a submit: `python -m tests.benchmarks.keys_cost`.

Two equal stacks side by side, one of which was given a key, take turns under the same load. The
budget is 95 % of the submits a second without keys.
"""

import asyncio
import statistics
from dataclasses import replace

import click

from tests.benchmarks.load import LoadResult, name_generator, run_load
from tests.benchmarks.plan import HEADLINE_CONNECTIONS
from tests.benchmarks.requests import Target
from tests.benchmarks.stack import Stack, run_stack, stop_on_termination

_PLAYERS = 10_000
_BUDGET = 0.95


@click.command()
@click.option("--rounds", type=click.IntRange(1, 100), default=8, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 60), default=4, show_default=True)
def main(rounds: int, seconds: int) -> None:
    """Compare submits with and without API keys."""
    stop_on_termination()
    asyncio.run(_run(rounds, seconds))


async def _run(rounds: int, seconds: int) -> None:
    click.echo(f"load from {name_generator()}, {HEADLINE_CONNECTIONS} connections")
    async with run_stack(processes=1) as keyless, run_stack(processes=1) as keyed:
        for stack in (keyless, keyed):
            await stack.populate(_PLAYERS, _PLAYERS)
        made = await keyed.run_command("keys", "create", "--role", "submit", "--name", "load")
        target = replace(await keyed.find_target(), api_key=made.split()[-1])
        throughput, processor = [], []
        # The first round only warms up.
        for number in range(rounds + 1):
            # Who comes first changes, for the second finds what the first has left to do.
            pair = [(keyless, await keyless.find_target()), (keyed, target)]
            turns = pair if number % 2 else pair[::-1]
            results = {stack.url: await _measure(stack, to, seconds) for stack, to in turns}
            without, with_key = results[keyless.url], results[keyed.url]
            if number:
                throughput.append(with_key.per_second / without.per_second)
                processor.append(with_key.processor_us["API"] / without.processor_us["API"])
                click.echo(
                    f"{number}: {without.per_second:,.0f}/s without, {with_key.per_second:,.0f}/s "
                    f"with; API {without.processor_us['API']:.1f} and "
                    f"{with_key.processor_us['API']:.1f} µs an answer"
                )
    ratio = statistics.median(throughput)
    click.echo(
        f"submits with keys: {ratio:.3f} of those without ({min(throughput):.3f} to "
        f"{max(throughput):.3f}; budget {_BUDGET}); processor time of the API "
        f"{statistics.median(processor):.3f} ({min(processor):.3f} to {max(processor):.3f})"
    )


async def _measure(stack: Stack, target: Target, seconds: int) -> LoadResult:
    await stack.wait_until_quiet()
    result = await run_load(
        target,
        "submit",
        connections=HEADLINE_CONNECTIONS,
        seconds=seconds,
        find_processes=stack.find_processes,
    )
    assert result.errors == 0, result
    return result


if __name__ == "__main__":
    main()
