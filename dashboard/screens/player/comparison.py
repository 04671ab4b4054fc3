"""What is said of two players side by side."""

from typing import Final

from dashboard.keys.keymap import KeyNames
from dashboard.state.lookup import Lookup, Stage
from dashboard.text.names import fit_name, quote_name
from dashboard.text.numbers import write_amount
from dashboard.widgets.tones import ToneLine, fold_text

EXACTLY: Final = "Names must match exactly, capitals too."
_NAME: Final = 24


def draw_comparison(one: Lookup, other: Lookup, keys: KeyNames, room: int) -> list[ToneLine]:
    """Return who is ahead of whom and by how much, or what is missing to tell, in `room` cells."""
    first, second = one.rank, other.rank
    if not first or not second or first.rank is None or second.rank is None:
        return fold_text(" ", "", _describe_lack(one, other, keys), room, "warn")
    if first.user_id == second.user_id:
        part, compare = keys["player.part"], keys["player.compare"]
        again = " again" if part == compare else ""
        how = f"{part}, then {compare}{again} to name another"
        return [[(f" Both are the same player: {how}.", "warn")]]
    if first.season.number != second.season.number:
        # Both are asked for on their own.
        return [[(" The season has changed: both are asked for again.", "warn")]]
    if first.rank == second.rank:
        return [[(" = They tie", "strong"), (f" at rank {first.rank:,}.", "")]]
    ahead, behind = sorted((first, second), key=lambda rank: rank.rank or 0)
    ranks = (behind.rank or 0) - (ahead.rank or 0)
    points = one.score_format.write_points(abs((ahead.score or 0) - (behind.score or 0)))
    return [
        [
            (f" {fit_name(ahead.username, _NAME).rstrip()}", "accent"),
            (f" is {points} and ", ""),
            (f"{write_amount(ranks, 'rank')} ahead of ", ""),
            (fit_name(behind.username, _NAME).rstrip(), "accent"),
        ]
    ]


def _describe_lack(one: Lookup, other: Lookup, keys: KeyNames) -> str:
    """Say what is missing for a comparison, of the second player first."""
    for lookup in (other, one):
        wanted = quote_name(lookup.wanted)
        match lookup.stage:
            case Stage.IDLE:
                return f"No first player is chosen: {keys['console.search']} looks one up."
            case Stage.SEARCHING:
                return f"Looking for {wanted}"
            case Stage.MISSING:
                return f"No player has the id or name {wanted}. {EXACTLY}"
            case Stage.FAILED:
                return f"No answer about {wanted} yet: asked again every 2 s."
            case Stage.UNPLAYED:
                return f"{wanted} has no sessions yet, and so no rank to compare."
            case Stage.UNCOUNTED:
                return f"No session of {wanted} counts here: there is no rank to compare."
            case Stage.BANNED:
                return f"{wanted} is banned, and so has no rank to compare."
    return ""
