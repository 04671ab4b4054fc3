"""Piccolo's configuration: `PICCOLO_CONF=service.schema.piccolo_conf`.

Piccolo runs the migrations, which are written by hand in SQL. `service.schema.migrate` puts the
database at hand into `DB`; for the `piccolo` command line it is the one that the environment names.
"""

from piccolo.conf.apps import AppRegistry
from piccolo.engine.postgres import PostgresEngine

from service.settings.settings import load_settings


class Engine(PostgresEngine):
    """Piccolo's, without the connection that it makes when it is made, of which it only warns."""

    async def check_version(self) -> None:
        """Leave it to the first statement to fail."""


_database_url = load_settings().database_url

DB = Engine(config={"dsn": _database_url}) if _database_url else None

APP_REGISTRY = AppRegistry(apps=["service.schema.piccolo_app"])
