"""Has Piccolo run `schema_0001.sql`, which is the schema and says why."""

from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from piccolo.engine.finder import engine_finder

from service.schema.version import name_migration

SCRIPT = Path(__file__).with_suffix(".sql")
ID = name_migration(SCRIPT)


async def forwards() -> MigrationManager:
    """Return what Piccolo asks a migration for."""
    manager = MigrationManager(migration_id=ID, app_name="leaderboard", description=SCRIPT.name)
    manager.add_raw(run_script)
    return manager


async def run_script() -> None:
    """Run the script on the driver's connection: Piccolo's `raw()` parses braces."""
    transaction = engine_finder().current_transaction.get()
    await transaction.connection.execute(SCRIPT.read_text("utf-8"))
