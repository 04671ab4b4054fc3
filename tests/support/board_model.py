"""A leaderboard in the simplest words, to compare the service with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class BoardModel:
    """Sums of scores, ranked by counting; `names` are those of all players."""

    names: Mapping[int, str]
    totals: dict[int, int] = field(default_factory=dict)

    def add(self, user_id: int, score: int) -> None:
        """Count a session."""
        self.totals[user_id] = self.totals.get(user_id, 0) + score

    def rank_of(self, total: int) -> int:
        """Return one more than the number of players with a better total."""
        return 1 + sum(other > total for other in self.totals.values())

    def list_everybody(self) -> list[dict[str, Any]]:
        """Return every entry, best first, ties by player."""
        order = sorted(self.totals, key=lambda user_id: (-self.totals[user_id], user_id))
        return [
            {
                "user_id": user_id,
                "username": self.names[user_id],
                "total_score": self.totals[user_id],
                "rank": self.rank_of(self.totals[user_id]),
            }
            for user_id in order
        ]

    def list_around(self, user_id: int, radius: int) -> list[dict[str, Any]]:
        """Return a player and the neighbours above and below."""
        everybody = self.list_everybody()
        place = [entry["user_id"] for entry in everybody].index(user_id)
        return everybody[max(0, place - radius) : place + radius + 1]

    def read_rank(self, user_id: int) -> dict[str, Any]:
        """Return the answer to `/rank`, but for its time, for a player who stands."""
        (entry,) = self.list_around(user_id, 0)
        level_or_behind = sum(total <= entry["total_score"] for total in self.totals.values())
        return entry | {
            "players": len(self.totals),
            "percentile": round(100 * level_or_behind / len(self.totals), 2),
        }
