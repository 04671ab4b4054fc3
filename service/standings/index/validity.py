"""Whether what Redis holds may be shown."""

from service.backends.database import Database
from service.backends.refresh_signal import RefreshSignal
from service.boards.service import LIST_OPEN_SEASONS, OpenSeason, SeasonFinder
from service.errors import CacheUnavailable
from service.standings.index.offset import Offset


class Following:
    """Tells an index or a top that follows our database from any other.

    Redis may hold another database's, come back older than it went, or lose keys one by one.
    """

    def __init__(
        self, database: Database, season_finder: SeasonFinder, refresh_signal: RefreshSignal
    ) -> None:
        self._database = database
        self._season_finder = season_finder
        self._refresh_signal = refresh_signal
        self._seen: Offset | None = None

    async def check(self, stored: bytes | str | None, players: int) -> Offset:
        """Return the offset at which Redis holds so many players.

        Raises `CacheUnavailable` where they may not be shown; a refresh is asked for then, to mend
        them.
        """
        offset = await self.accept(stored, players)
        if offset is None:
            self._refresh_signal.raise_soon()
            raise CacheUnavailable("Redis holds nothing of this database, or not all of it")
        return offset

    async def accept(self, stored: bytes | str | None, players: int) -> Offset | None:
        """Return the offset, or None where players in such a number may not be shown at it."""
        offset = Offset.parse(stored)
        if offset is None or offset.players != players or not await self._is_current(offset):
            return None
        self._seen = offset
        return offset

    async def _is_current(self, offset: Offset) -> bool:
        season = await self._season_finder.find()
        if offset.epoch != season.epoch:
            # Ours may have been emptied and filled again.
            season = await self._season_finder.find_again()
        if offset.epoch != season.epoch:
            return False
        seen = self._seen
        if seen is None or seen.epoch != offset.epoch or offset.number >= seen.number:
            return True
        # Older than what was shown before: right only where the database itself went back, because
        # it was restored.
        return offset.number >= await self._read_last_refresh(season)

    async def _read_last_refresh(self, season: OpenSeason) -> int:
        rows = await self._database.fetch(LIST_OPEN_SEASONS)
        numbers = {row["season_id"]: int(row["last_refresh"]) for row in rows}
        return numbers.get(season.season_id, 0)
