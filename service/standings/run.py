"""A run: consecutive players of a season, which every list shows."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Consecutive players of a season with their scores, best first.

    `better` is how many players are better than the first one, and `position` is the first one's
    position, from 0. `saturated` are those whose exact total lies beyond the limit of scores.
    `tie_keys` are 0 where ties share a rank. `as_of` is the moment of the refresh that it shows;
    `stale`: it may lag behind that.
    """

    user_ids: Sequence[int]
    usernames: Sequence[str]
    sort_scores: Sequence[int]
    tie_keys: Sequence[int]
    players: int
    as_of: datetime
    better: int = 0
    position: int = 0
    saturated: Collection[int] = ()
    stale: bool = False

    @property
    def ranks(self) -> list[int]:
        """The players' ranks, by competition ranking (1, 2, 2, 4)."""
        ranks: list[int] = []
        rank = self.better + 1
        keys = list(zip(self.sort_scores, self.tie_keys, strict=True))
        for line, key in enumerate(keys):
            # No two players have one tie key, unless ties share a rank.
            if line and key != keys[line - 1]:
                rank = self.position + line + 1
            ranks.append(rank)
        return ranks

    def map_scores(self) -> dict[int, int]:
        """Return the players' sort_scores, by their ids."""
        return dict(zip(self.user_ids, self.sort_scores, strict=True))

    def cut(self, limit: int) -> "Run":
        """Return the first `limit` players."""
        if len(self.user_ids) <= limit:
            return self
        return msgspec.structs.replace(
            self,
            user_ids=self.user_ids[:limit],
            usernames=self.usernames[:limit],
            sort_scores=self.sort_scores[:limit],
            tie_keys=self.tie_keys[:limit],
        )


class Published(msgspec.Struct, frozen=True, omit_defaults=True):
    """The event that announces a refresh of a season to API processes.

    Without a top where no process had asked for one.
    """

    season_id: int
    offset: str
    top: Run | None = None
