"""How large a board, how long a measurement, how many rounds."""

from dataclasses import dataclass, replace

BOARD_OF_THE_BUDGETS = (1_000_000, 5_000_000)
CONNECTIONS = (1, 16, 64, 256)
HEADLINE_CONNECTIONS = 64
FEW_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run of the benchmark does. Figures of a `quick` one say nothing about budgets."""

    players: int
    sessions: int
    processes: int
    rounds: int
    seconds: int
    """Length of one measurement of throughput."""
    freshness_seconds: int
    """Long enough for a re-rank, which comes once a minute, to fall into it."""
    growth_players: tuple[int, ...]
    quick: bool = False

    def is_for_budgets(self) -> bool:
        """Tell whether it measures the board that the budgets were written for."""
        return not self.quick and (self.players, self.sessions) == BOARD_OF_THE_BUDGETS

    def sessions_for(self, players: int) -> int:
        """Return how many sessions a board of another size gets: as many a player."""
        return players * self.sessions // self.players


FULL = Plan(
    players=BOARD_OF_THE_BUDGETS[0],
    sessions=BOARD_OF_THE_BUDGETS[1],
    processes=2,
    rounds=3,
    seconds=6,
    freshness_seconds=75,
    growth_players=(10_000, 100_000, 1_000_000),
)
QUICK = replace(
    FULL,
    players=100_000,
    sessions=500_000,
    rounds=2,
    seconds=1,
    freshness_seconds=10,
    growth_players=(10_000, 100_000),
    quick=True,
)
