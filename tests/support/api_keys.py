"""A service that keys open: keys of every role, and the header that shows one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from service.api.app import create_app
from service.backends.database import Database
from service.keys.roles import Role
from service.keys.service import make_key
from service.settings.settings import Settings
from tests.support.serving import connect_client, run_app


def bear(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def start(
    settings: Settings, *, may_be_open: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(settings, may_be_open=may_be_open)
    async with run_app(app), connect_client(app) as client:
        yield client


async def make_keys(database: Database) -> dict[str, str]:
    return {role.word: await make_key(database, name=role.word, role=role) for role in Role}
