"""What a worker does about seasons, called by hand."""

from datetime import UTC, datetime

from redis.asyncio import Redis

from service.backends.database import Database
from service.backends.locks import Lease, hold_writer_lock
from service.moderation.service import end_states
from service.seasons.closing import close_sealed_seasons
from service.seasons.keeper import SeasonKeeper
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher


def make_hourly() -> dict[str, str]:
    """Return a schedule whose seasons end on the hour by a clock of its own: not during a test."""
    minute = (datetime.now(UTC).minute + 25) % 60
    return {"cron": f"{minute} * * * *", "timezone": "UTC"}


async def read_season_scores(database: Database, number: int, slug: str = "cup") -> dict[int, int]:
    """Return who stands in a season with which score, whatever anybody remembers of it."""
    rows = await database.fetch(
        """
        SELECT player_id, score FROM standing JOIN season ON season.id = season_id
        JOIN board ON board.id = board_id WHERE slug = $2 AND number = $1
        """,
        *(number, slug),
    )
    return {row["player_id"]: row["score"] for row in rows}


class SeasonWorker:
    """Folds, keeps seasons up with the time, and closes them, until nothing is left to do."""

    def __init__(self, database: Database, redis: Redis, settings: Settings) -> None:
        self._database = database
        self.index = Index(redis, database)
        self.keeper = SeasonKeeper(database, self.index)
        self.refresher = Refresher(database, redis, settings, between_folds=self._keep_up)

    async def _keep_up(self, lease: Lease) -> bool:
        await end_states(self._database)
        return await self.keeper.keep(lease)

    async def keep(self) -> bool:
        """Do some of what is due about seasons alone; return whether there is more."""
        async with hold_writer_lock(self._database, wait_seconds=5) as lease:
            return await self.keeper.keep(lease)

    async def work(self) -> int:
        """Do all that is due; return how many seasons were closed."""
        while (await self.refresher.refresh()).more:
            pass
        return await close_sealed_seasons(self._database, self.index)
