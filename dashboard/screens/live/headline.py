"""What is said above the board while all is well: where the cursor is, and what is listed."""

from dashboard.client.connection import FINAL_SECONDS
from dashboard.configuration.columns import COLUMNS
from dashboard.keys.keymap import KeyNames
from dashboard.screens.live.side import read_submits
from dashboard.state.console_state import ConsoleState
from dashboard.state.data_state import ARCHIVED
from dashboard.text.names import quote_name
from dashboard.text.numbers import choose_text, write_age, write_rate


def describe_filtered(state: ConsoleState, wanted: str, matches: int, *, in_field: bool) -> str:
    """Tell how many of the lines match, and how to see all again."""
    keys, lines, of_board = state.keys, len(state.board), state.of_board
    shows_all = f"{keys['prompt.cancel' if in_field else 'live.clear']} shows all"
    if lines and not matches:
        # In the field a key may be one more character.
        after = ", then" if in_field else ","
        looks_up = f"{keys['console.search']} finds any player"
        nobody = f"Nobody of these {lines:,}{of_board} matches {quote_name(wanted)}"
        return f"{nobody}; {shows_all}{after} {looks_up}"
    return f"{matches:,} of the {lines:,} listed{of_board} match {quote_name(wanted)}; {shows_all}"


def describe_sorted(state: ConsoleState, players: int, room: int) -> str:
    """Tell by what the lines are sorted, and that these may not be all."""
    column, reverse = state.sorting
    by = f"sorted by {COLUMNS[column].title}"
    if column in {"move", "gain"} and not state.is_final:
        by += f" over {write_age(state.board.read_window_seconds(state.clock.monotonic()))}"
    by += ", the other way round" * reverse
    lines = len(state.board)
    of = f"{lines:,} listed of {players:,}" if lines < players else f"all {players:,} players"
    turn, move = state.keys["live.reverse"], state.keys["live.sort"]
    ways = f"{move} next column, {state.keys['live.clear']} by rank"
    texts = (f"{of}, {by}: {turn} turns it round, {ways}", f"{of}, {by}: {ways}")
    return choose_text(room, *texts, f"{by}: {ways}", f"sorted: {ways}")


def describe_place(
    state: ConsoleState, place: int, players: int, room: int, *, is_narrow: bool
) -> str:
    """Tell the cursor's place among all players, how much comes in, and since when moves count."""
    begin = state.board.first + 1
    listed = range(begin, begin + len(state.board))
    long, short = describe_position(place, listed, players, state.keys)
    if state.is_final:
        ended = f", ended {state.describe_end()}"
        asked = f", asked every {FINAL_SECONDS:.0f} s"
        texts = (f"{long}{ended}{asked}", f"{long}{ended}", f"{short}{ended}", short)
        return choose_text(room, *texts)
    if state.is_archived:
        return choose_text(
            room, f"{long}, {ARCHIVED}", f"{short}, {ARCHIVED.partition(' until')[0]}"
        )
    submits = f"{write_rate(read_submits(state))} submitted"
    moves = f"moves over {write_age(state.board.read_window_seconds(state.clock.monotonic()))}"
    return choose_text(
        room,
        f"{long}, {submits}, {moves}",
        f"{short}, {submits}, {moves}" if is_narrow else f"{long}, {moves}",
        f"{short}, {moves}",
        short,
    )


def describe_position(place: int, listed: range, players: int, keys: KeyNames) -> tuple[str, str]:
    """Return a long and a short sentence; at an edge of the list they say how to go on.

    Places count from 1. They are not ranks: players that tie share a rank, but not a place.
    """
    first, last = listed[0], listed[-1]
    here = f"place {place:,} of {players:,}"
    if first == 1 and last >= players:
        return f"{here} players, all listed", f"{here}, all listed"
    if place == last < players:
        down, end = keys["board.down"], keys["board.last"]
        return (
            f"{here}, the last that is listed: {down} goes on, {end} goes to the very last",
            f"{here}, last listed: {down} goes on, {end}: very last",
        )
    if place == first > 1:
        up, home = keys["board.up"], keys["board.first"]
        return (
            f"{here}, the first that is listed: {up} goes on, {home} goes to the very first",
            f"{here}, first listed: {up} goes on, {home}: very first",
        )
    return (
        f"{here} players, {first:,} to {last:,} listed",
        f"{here}, {first:,} to {last:,} listed",
    )
