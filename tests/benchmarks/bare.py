"""The reference of the reads: a bare Litestar handler that returns constant bytes.

`python -m tests.benchmarks.bare SIZE --fd N` runs the API's own server program with this
application in the place of the service, so that every setting of the server is the same.
"""

import sys
from unittest import mock

from litestar import Litestar, MediaType, get
from litestar.datastructures import State

from service.api import __main__ as api
from service.lifecycle import Closing
from tests.benchmarks.traffic import TOP_PATH


def create_bare_app(size: int) -> Litestar:
    """Return an application that answers `size` bytes of an empty leaderboard."""
    body = b'{"leaderboard":[]}'.ljust(size)

    @get(TOP_PATH, media_type=MediaType.JSON)
    async def answer() -> bytes:
        return body

    return Litestar(
        [answer], openapi_config=None, logging_config=None, state=State({"closing": Closing()})
    )


def main() -> None:
    """Serve in this process."""
    size = int(sys.argv.pop(1))

    app = create_bare_app(size)
    # It has no document to be made ahead of the first request.
    with (
        mock.patch.object(api, "create_app", return_value=app),
        mock.patch.object(api, "describe"),
    ):
        api.serve()


if __name__ == "__main__":
    main()
