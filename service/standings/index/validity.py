"""Decides whether what Redis holds may be shown."""

from typing import Final

from service.backends.database import Database, load_sql
from service.backends.refresh_signal import RefreshSignal
from service.boards.finder import Season, SeasonFinder
from service.errors import CacheUnavailable, DatabaseUnavailable
from service.standings.index.offset import Offset

READ_LAST_REFRESH: Final = load_sql("standings/index", "read_last_refresh")


class OffsetValidator:
    """Tells an index or a top that follows our database from any other.

    Redis may hold another database's, come back older than it went, or lose keys one by one.
    """

    def __init__(
        self, database: Database, season_finder: SeasonFinder, refresh_signal: RefreshSignal
    ) -> None:
        self._database = database
        self._season_finder = season_finder
        self._refresh_signal = refresh_signal
        self._last_shown: dict[int, Offset] = {}

    async def check(self, season: Season, stored: bytes | str | None, players: int) -> Offset:
        """Return the offset of a season's index or top with this number of players.

        Raises `CacheUnavailable` where it may not be shown, and asks for a refresh to mend it.
        """
        offset = await self.accept(season, stored, players)
        if offset is None:
            self._refresh_signal.raise_soon()
            raise CacheUnavailable("Redis holds nothing of this database, or not all of it")
        return offset

    async def accept(
        self, season: Season, stored: bytes | str | None, players: int
    ) -> Offset | None:
        """Return the offset, or None where what Redis holds may not be shown."""
        offset = Offset.parse(stored)
        if offset is None or offset.players != players:
            return None
        if not await self._is_current(season, offset):
            return None
        self._last_shown[season.season_id] = offset
        return offset

    async def _is_current(self, season: Season, offset: Offset) -> bool:
        if offset.epoch != season.epoch:
            # Our database may have been emptied and filled again.
            season = await self._season_finder.find_again(season.slug)
        if offset.epoch != season.epoch:
            return False
        shown = self._last_shown.get(season.season_id)
        if shown is not None and shown.epoch == offset.epoch and offset.number >= shown.number:
            return True
        # The first that this process sees may be one that Redis came back with, older than it went.
        # One that is older than what was shown is right only where the database itself went back,
        # because a backup was restored.
        try:
            return offset.number >= await self._read_last_refresh(season)
        except DatabaseUnavailable:
            # Nothing is refreshed meanwhile, and there is nothing else to show.
            if shown is None:
                return True
            raise

    async def _read_last_refresh(self, season: Season) -> int:
        number: int | None = await self._database.fetch_value(READ_LAST_REFRESH, season.season_id)
        return number or 0
