"""Where on the whole board the operator is, in words that fit."""

from typing import NamedTuple

from dashboard.keys.keymap import KeyNames


class Whereabouts(NamedTuple):
    """The cursor's place among `players`, and the places `first` to `last` that are listed.

    All count from 1. Places are not ranks: players that tie share a rank, but not a place.
    """

    place: int
    first: int
    last: int
    players: int


def describe_whereabouts(where: Whereabouts, keys: KeyNames) -> tuple[str, str]:
    """Return a long and a short sentence; at an edge of the list they say how to go on."""
    here = f"place {where.place:,} of {where.players:,}"
    if where.first == 1 and where.last >= where.players:
        return f"{here} players, all listed", f"{here}, all listed"
    if where.place == where.last < where.players:
        down, end = keys["board.down"], keys["board.last"]
        return (
            f"{here}, the last that is listed: {down} goes on, {end} goes to the very last",
            f"{here}, last listed: {down} goes on, {end}: very last",
        )
    if where.place == where.first > 1:
        up, home = keys["board.up"], keys["board.first"]
        return (
            f"{here}, the first that is listed: {up} goes on, {home} goes to the very first",
            f"{here}, first listed: {up} goes on, {home}: very first",
        )
    return (
        f"{here} players, {where.first:,} to {where.last:,} listed",
        f"{here}, {where.first:,} to {where.last:,} listed",
    )
