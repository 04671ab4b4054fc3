"""What a refresh changes in a season, as it is packed for the index."""

import struct
from dataclasses import dataclass
from typing import Final

from service.standings.index.offset import Offset
from service.standings.run import Run

_PACKED: Final = struct.Struct(">qq")
_PACKED_WITH_TIE: Final = struct.Struct(">qqq")


@dataclass(frozen=True, slots=True)
class SeasonChange:
    """What one refresh changed in one season, and from which offset to which its index moves.

    `packed` are the changed standings (scan_standings.sql), `removed` the ids, eight bytes each, of
    players who stand no more; `is_first` where members begin with a tie key. `top` is there where
    somebody asked for it.
    """

    season_id: int
    is_first: bool
    previous: Offset
    offset: Offset
    packed: bytes
    top: Run | None = None
    removed: bytes = b""

    @property
    def standings(self) -> int:
        """How many standings changed."""
        return len(self.packed) // find_layout(is_first=self.is_first).size


def find_layout(*, is_first: bool) -> struct.Struct:
    """Return how a standing is packed (scan_standings.sql)."""
    return _PACKED_WITH_TIE if is_first else _PACKED


def read_last(packed: bytes, layout: struct.Struct) -> tuple[int, int, int]:
    """Return sort_score, tie_key and player of the last of these standings."""
    *tie_keys, player_id, sort_score = layout.unpack_from(packed, len(packed) - layout.size)
    return sort_score, tie_keys[0] if tie_keys else 0, player_id
