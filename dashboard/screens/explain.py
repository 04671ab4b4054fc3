"""Why a player's rank is what it is: the rule, the neighbours, the evidence and the sessions."""

from collections.abc import Callable
from datetime import tzinfo
from typing import ClassVar, Final, TypeAlias

from textual import work
from textual.binding import Binding, BindingType

from dashboard.client.answers import Entry
from dashboard.client.gateway import BoardSeason, Gateway, GatewayError
from dashboard.client.moderation import Evidence, Explanation, RuleFacts
from dashboard.screens.dialog import PanelDialog, draw_error
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import fit_name, quote_name
from dashboard.text.numbers import write_amount, write_count, write_moment
from dashboard.text.scores import INTEGER, ScoreFormat, group_score
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.tones import Span, Tone, ToneLine, fold_text

Verdict: TypeAlias = tuple[str, Tone, str]
"""A mark and its tone, and a sentence."""

_NAME: Final = 30
_LABEL: Final = 10
_SCORE: Final = 21
_RANK: Final = 12
_FULL: Final = 72

_OPERATORS: Final = {
    "sum": "all sessions make the sum",
    "best": "the first session makes it",
    "latest": "the first session makes it",
}


class ExplainScreen(PanelDialog):
    """Asks the service once, and shows what it says."""

    LINK = "why"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,w,enter", "dismiss", "Close", id="explain.close"),
    ]

    def __init__(self, gateway: Gateway, state: ConsoleState, user_id: int) -> None:
        super().__init__(gateway, state, f"Why player {user_id} has this rank{state.of_board}")
        self._board: BoardSeason = state.chosen
        self._of_board = state.of_board
        self.user_id = user_id

    def on_mount(self) -> None:
        """Ask."""
        self.read()

    @work(exit_on_error=False)
    async def read(self) -> None:
        """Read and show it."""
        try:
            told = await self._gateway.explain_rank(self._board, self.user_id)
            is_archived = not self._board.is_global and (
                (await self._gateway.read_board(self._board.slug)).state == "archived"
            )
        except GatewayError as error:
            self._panel.show(draw_error(error, self.room))
            return
        self._panel.set_title(
            f"Why player {told.user_id}, {quote_name(told.username, _NAME)}, is "
            f"{_write_rank(told.rank)}{self._of_board}"
        )
        correct = self._state.keys["player.correct"]
        verdict = _judge_evidence(told, correct, is_archived=is_archived)
        zone = self._state.clock.now().tzinfo
        self._panel.show(draw_explanation(told, verdict, zone, self.room))


def draw_explanation(
    told: Explanation, verdict: Verdict, zone: tzinfo | None, room: int
) -> list[ToneLine]:
    """Return all that the service says of a rank, and what is to be thought of its evidence."""
    texts = [entry.score_text for entry in (told.above, told.below) if entry]
    texts += [session.score_text for session in told.sessions]
    score_format = ScoreFormat.of_text(texts[0]) if texts else INTEGER
    until = f" until {write_moment(told.until, zone)}" if told.until else ""
    state: Span = (f"{told.state}{until}", "" if told.state == "active" else "warn")
    rank = f"{_write_rank(told.rank)} of {write_amount(told.players, 'player')}"
    lines: list[ToneLine] = [
        *_label(
            "Rule",
            *(
                (line, "")
                for part in _describe_rule(told.rule, score_format.write)
                for line in wrap_text(part, room - _LABEL - 1)
            ),
        ),
        *_label("State", state),
        *_label("Rank", (rank, "strong")),
        *_label("Above", (_write_entry(told.above, "nobody: first of all"), "")),
        *_label("Below", (_write_entry(told.below, "nobody: last of all"), "")),
        [("", "")],
        *_draw_evidence(told, score_format.write, zone, room),
        [("", "")],
        *fold_text(*verdict, room),
        [("", "")],
    ]
    if not told.sessions:
        return [*lines, [("No session counts in this season.", "muted")]]
    makes = _OPERATORS.get(told.rule.operator, told.rule.operator)
    has_more = told.next_before is not None
    counted = f"{write_amount(len(told.sessions), 'session')}{' and older' * has_more}"
    count = "count" if len(told.sessions) > 1 or has_more else "counts"
    lines.append([(f"{counted} {count} here; {makes}:", "muted")])
    lines += [
        [
            (f"  session {session.session_id:<12} ", "muted"),
            (f"{write_moment(session.submitted_at, zone)} ", ""),
            (f"{group_score(session.score, session.score_text):>{_measure_score(room)}}", "strong"),
        ]
        for session in told.sessions
    ]
    return lines


def _label(name: str, *spans: Span) -> list[ToneLine]:
    return [
        [(f"{'' if place else name:<{_LABEL}} ", "muted"), span] for place, span in enumerate(spans)
    ]


def _describe_rule(rule: RuleFacts, write: Callable[[int], str]) -> list[str]:
    better = "more" if rule.direction == "high" else "less"
    ties = "equals share a rank" if rule.ties == "shared" else "of equals who was first is before"
    parts = [f"{rule.operator} of the sessions; {better} is better; {ties}"]
    limits = []
    if rule.game_mode is not None:
        limits.append(f"mode {quote_name(rule.game_mode, _NAME)}")
    if rule.min_score is not None:
        limits.append(f"from {write(rule.min_score)}")
    if rule.max_score is not None:
        limits.append(f"up to {write(rule.max_score)}")
    return [*parts, f"only {', '.join(limits)}"] if limits else parts


def _write_entry(entry: Entry | None, nobody: str) -> str:
    if entry is None:
        return nobody
    score = group_score(entry.score, entry.score_text)
    name = fit_name(entry.username, _NAME).rstrip()
    return f"#{entry.rank:,} {name}, id {entry.user_id}, {score}"


def _write_rank(rank: int | None) -> str:
    return "without a rank" if rank is None else f"#{rank:,}"


def _draw_evidence(
    told: Explanation, write: Callable[[int], str], zone: tzinfo | None, room: int
) -> list[ToneLine]:
    """Return what each source says, side by side."""
    width = _measure_score(room)
    rank_width = _RANK - (_SCORE - width)
    lines: list[ToneLine] = [
        [(f"{'':<{_LABEL}} {'Score':>{width}} {'Rank':>{rank_width}}  Made by", "muted")]
    ]
    index = told.index
    rows: list[tuple[str, int | None, int | None, str]] = [
        ("ledger", _score(told.ledger), None, _describe(told.ledger, zone)),
        ("standing", _score(told.standing), None, _describe(told.standing, zone)),
        ("index", index.score if index else None, index.rank if index else None, ""),
        ("stored", None, told.stored_rank, "the last re-rank"),
    ]
    for name, score, rank, made_by in rows:
        written = "-" if score is None else write(score)
        place = "-" if rank is None else f"#{rank:,}"
        figures = f" {written:>{width}} {place:>{rank_width}}"
        lines.append([(f"{name:<{_LABEL}}", "muted"), (figures, "strong"), (f"  {made_by}", "")])
    return lines


def _measure_score(room: int) -> int:
    """Return the width of scores: any has room in 78 columns, and in 60 all but the longest."""
    return _SCORE if room >= _FULL else _SCORE - 5


def _score(evidence: Evidence | None) -> int | None:
    return None if evidence is None else evidence.score


def _describe(evidence: Evidence | None, zone: tzinfo | None) -> str:
    if evidence is None:
        return ""
    if evidence.sessions is not None:
        return write_amount(evidence.sessions, "session")
    moment = write_moment(evidence.reached_at, zone)
    return f"session {evidence.session_id}" if evidence.session_id else moment


def _judge_evidence(told: Explanation, correct: str, *, is_archived: bool) -> Verdict:
    """Say whether the sources agree; `correct` is the key that has a closed season made again."""
    earned, stored = _score(told.ledger), _score(told.standing)
    shown = told.index.score if told.index else None
    # What is done since does not reach these.
    is_kept = told.season.is_final or is_archived
    if is_kept and earned != stored == shown:
        if told.season.is_final:
            since = "what was revoked, restored, imported or banned since"
            return "▲ ", "warn", f"{since} is not in the result: {correct} on Player corrects it"
        since = "what was submitted, revoked, restored or banned since"
        return "▲ ", "warn", f"{since} changes an archived board only once it is unarchived"
    if told.state != "active" and not is_kept:
        return "▲ ", "warn", f"who is {told.state} does not stand, whatever the sessions"
    if earned == stored == shown:
        return "✓ ", "good", "ledger, standing and index agree"
    if (told.changing or told.pending) and not is_kept:
        waits = f"{write_count(told.pending)} pending" if told.pending else "being made again"
        return "… ", "warn", f"they differ until the next fold: {waits}"
    return "✕ ", "bad", "they differ: leaderboard audit says where, rebuild mends it"
