from service.schema.migrate import make_script_migration

ID = "2026-11-24T06:25:00:000000"
VERSION = "1.38.0"
DESCRIPTION = "room in each page of standings for a new version of every row"

FORWARDS = """
-- A re-rank gives most rows of a page a new version within one transaction, so nothing of the old
-- ones can be reused: only where both fit is each an update without an index entry (heap-only).
ALTER TABLE standing SET (fillfactor = 48);
"""

BACKWARDS = "ALTER TABLE standing SET (fillfactor = 70);"


async def forwards():
    return make_script_migration(ID, DESCRIPTION, FORWARDS, BACKWARDS)
