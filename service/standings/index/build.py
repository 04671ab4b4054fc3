"""How far an index is that is being built beside the one that is read."""

from typing import Final

import msgspec


class Build(msgspec.Struct, frozen=True):
    """A build as it is kept in Redis, where whoever goes on with it compares and replaces it.

    `position` is the offset, without its time, that the new index follows: every standing up to the
    last one loaded (`sort_score`, `tie_key`, `player_id`) is in it as it was then. `found` is the
    offset that the old index had. Once the new one is swapped in, `names_from` is the first
    player whose name beside it is not compared yet.
    """

    index: str
    position: str
    found: str
    sort_score: int = -(2**63)
    tie_key: int = 0
    player_id: int = 0
    names_from: int | None = None

    @property
    def ties(self) -> str:
        """The key of the tie keys that belong to the new index."""
        return f"{self.index}:ties"


encode_build: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Build).decode


def name_from(player_id: int, found: str) -> Build:
    """Return how far a build is that has only names left to compare, from this player on."""
    return Build(index="", position="", found=found, names_from=player_id)


def parse_build(stored: bytes | str | None) -> Build | None:
    """Return the build that Redis holds, or None for none or one that is not ours."""
    try:
        return _decode(stored) if stored else None
    except msgspec.DecodeError:
        return None
