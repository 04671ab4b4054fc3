"""An engine for the tests of this folder that want one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.images.making import make_images
from tests.support.containers.engine import find_engine
from tests.support.containers.project import Project, run_project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """The files of ours on an engine that has the images which they name; nothing runs yet."""
    with find_engine() as engine:
        if isinstance(engine, str):
            pytest.skip(engine)
        for name, how in make_images(engine).items():
            print(f"{name}: {how}")  # noqa: T201
        with run_project(engine, tmp_path) as project:
            yield project
            # Shown where the test failed.
            print(project.describe())  # noqa: T201
