"""What a worker does about seasons, called by hand."""

from redis.asyncio import Redis

from service.backends.database import Database
from service.seasons.closing import close_sealed_seasons
from service.seasons.keeper import SeasonKeeper
from service.settings.settings import Settings
from service.standings.index.writer import Index
from service.standings.refresh.refresh import Refresher


class SeasonWorker:
    """Folds, keeps seasons up with the time, and closes them, until nothing is left to do."""

    def __init__(self, database: Database, redis: Redis, settings: Settings) -> None:
        self._database = database
        self.index = Index(redis, database)
        self.keeper = SeasonKeeper(database, self.index)
        self.refresher = Refresher(database, redis, settings, between_folds=self.keeper.keep)

    async def work(self) -> int:
        """Do all that is due; return how many seasons were closed."""
        while (await self.refresher.refresh()).more:
            pass
        return await close_sealed_seasons(self._database, self.index)
