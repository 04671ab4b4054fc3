"""The reference of the reads: a bare Litestar handler that returns constant bytes.

`python -m tests.benchmarks.bare SIZE --fd N` serves it by uvicorn as it comes, with uvloop and
httptools, as anybody would who writes such a service without ours. Not in the API's own server
program: whatever makes that one answer faster or slower would move the reference along.
"""

import socket

import click
import uvicorn
from litestar import Litestar, MediaType, get

from tests.benchmarks.traffic import TOP_PATH


def create_bare_app(size: int) -> Litestar:
    """Return an application that answers `size` bytes of an empty leaderboard."""
    body = b'{"leaderboard":[]}'.ljust(size)

    @get(TOP_PATH, media_type=MediaType.JSON)
    async def answer() -> bytes:
        return body

    return Litestar([answer], openapi_config=None, logging_config=None)


@click.command()
@click.argument("size", type=int)
@click.option("--fd", type=int, required=True, help="Serve on this inherited listening socket.")
def serve(size: int, fd: int) -> None:
    """Serve in this process."""
    config = uvicorn.Config(
        create_bare_app(size),
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=fd)])


if __name__ == "__main__":
    serve()
