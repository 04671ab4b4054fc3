"""Disks that can be full and clocks that can be put back, for the containers of a project.

Compose reads a `compose.override.yml` beside the file: our files stay as they are. A disk is a file
system of its own, in a file of this machine, which has to be the engine's. A clock is put back by a
library that each program loads: `clock.c`, which needs a C compiler.
"""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.support.containers.project import Project

_SOURCE: Final = Path(__file__).with_name("clock.c")

# Of the service that keeps its data there, and of whom they are.
_DISKS: Final = {"postgres": ("3G", "postgres:18"), "broker": ("128M", "valkey/valkey:9")}
_BLOCK: Final = 4096
_OWNERS: Final = {"postgres": "postgres", "broker": "valkey"}

WITH_DISK: Final = tuple(_DISKS)
WITH_CLOCK: Final = ("postgres", "cache", "broker", "api", "worker", "scheduler")


class Rig:
    """The disks and the clocks of a project that was not deployed yet."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._clocks = project.folder / "clocks"
        self._disks = project.folder / "disks"

    def install(self, stack: ExitStack) -> None:
        """Make the disks, which go with the stack, and write what compose has to know."""
        for service in WITH_DISK:
            stack.enter_context(self._mount(service))
        self._clocks.mkdir()
        library = str(self._clocks / "clock.so")
        self._project.engine.run_program("cc", "-shared", "-fPIC", "-o", library, str(_SOURCE))
        for service in WITH_CLOCK:
            self.put_back(service, 0)
        services = {service: self._describe_clock(service) for service in WITH_CLOCK}
        volumes = {service: self._describe_disk(service) for service in WITH_DISK}
        # JSON is YAML, too.
        override = json.dumps({"services": services, "volumes": volumes}, indent=2)
        (self._project.folder / "compose.override.yml").write_text(override)

    def put_back(self, service: str, seconds: int) -> None:
        """Put a service's clock back by so many seconds, or by 0 to what it is."""
        file = os.open(self._clocks / service, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(file, seconds.to_bytes(8, sys.byteorder), 0)
        os.close(file)

    @contextmanager
    def full(self, service: str) -> Iterator[None]:
        """Leave no room on a service's disk inside the block."""
        filler = self._disks / service / "filler"
        with filler.open("wb") as file:
            size, step = 0, 2**26
            while step >= _BLOCK:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    step //= 2
        try:
            yield
        finally:
            filler.unlink()

    @contextmanager
    def _mount(self, service: str) -> Iterator[None]:
        size, image = _DISKS[service]
        place = self._disks / service
        place.mkdir(parents=True)
        file = self._disks / f"{service}.img"
        with file.open("wb") as new:
            # Sparse: it takes what is written to it.
            new.truncate(int(size[:-1]) * {"M": 2**20, "G": 2**30}[size[-1]])
        run = self._project.engine.run_program
        # Nothing is kept for root.
        run("mkfs.ext4", "-q", "-m", "0", str(file))
        run("mount", "-o", "loop", str(file), str(place))
        try:
            ask = ("run", "--rm", "--entrypoint", "id", image, "-u", _OWNERS[service])
            os.chown(place, int(self._project.engine.run(*ask)), -1)
            yield
        finally:
            subprocess.run(["umount", "--lazy", place], check=False)

    def _describe_disk(self, service: str) -> dict[str, object]:
        device = str(self._disks / service)
        return {"driver_opts": {"type": "none", "o": "bind", "device": device}}

    def _describe_clock(self, service: str) -> dict[str, object]:
        return {
            "environment": {
                "LD_PRELOAD": "/clocks/clock.so",
                "CLOCK": f"/clocks/{service}",
            },
            "volumes": [f"{self._clocks}:/clocks:ro"],
        }
