"""When the game was played that the examples in the documentation tell of.

Three players: grace has 1,500 points, ada and linus 1,200 each. Every struct of a body has an
`example()` of that game, which the documentation shows and its tests play.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

NOW: Final = datetime(2026, 11, 23, 19, 23, 43, 313_000, tzinfo=UTC)
THEN: Final = NOW - timedelta(minutes=5)
