"""What moderators did, the newest first."""

from datetime import datetime, tzinfo
from typing import Any, ClassVar, Final

from textual import work
from textual.binding import Binding, BindingType

from dashboard.client.gateway import Gateway, GatewayError
from dashboard.client.moderation import LogEntry
from dashboard.screens.dialog import ASKING, PanelDialog, draw_error
from dashboard.state.console_state import ConsoleState
from dashboard.text.names import clean_name, quote_name
from dashboard.text.numbers import write_amount, write_moment
from dashboard.text.wrapping import wrap_text
from dashboard.widgets.tones import ToneLine

_MOMENT: Final = 18
_NAME: Final = 24


class ModerationLogScreen(PanelDialog):
    """Lists the log, older entries when they are asked for."""

    LINK = "log"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "older", "Older", id="log.older"),
        Binding("escape,q,L", "dismiss", "Close", id="log.close"),
    ]

    def __init__(self, gateway: Gateway, state: ConsoleState) -> None:
        super().__init__(gateway, state, "Moderation log, newest first")
        self._lines: list[ToneLine] = []
        self._next: int | None = None
        self._is_asking = False

    def on_mount(self) -> None:
        """Ask for the newest entries."""
        self.read(None)

    def action_older(self) -> None:
        """List older entries too."""
        if self._next is not None and not self._is_asking:
            self.read(self._next)

    @work(exit_on_error=False)
    async def read(self, after: int | None) -> None:
        """Read the newest entries, or those older than one, and list them too."""
        self._is_asking = True
        self._panel.show([*self._lines, ASKING])
        try:
            part = await self._gateway.read_moderation_log(after)
        except GatewayError as error:
            self._panel.show([*self._lines, *draw_error(error, self.room)])
            return
        finally:
            self._is_asking = False
        zone = self._state.clock.now().tzinfo
        for entry in part.entries:
            self._lines += draw_entry(entry, zone, self.room)
        self._next = part.next
        keys = self._state.keys
        older = f"{keys['log.older']} lists older entries"
        end = older if self._next is not None else "nothing older" if self._lines else "no entries"
        self._panel.show([*self._lines, [(f"{end}; {keys['log.close']} closes", "muted")]])


def draw_entry(entry: LogEntry, zone: tzinfo | None, room: int) -> list[ToneLine]:
    """Return what was done when, and below it by whom and why."""
    about = f"player {entry.user_id}: " if entry.user_id is not None else ""
    by = [f"by key {clean_name(entry.key)}"] if entry.key else []
    reason = [clean_name(entry.reason)] if entry.reason else []
    why = wrap_text(": ".join(by + reason), room - _MOMENT)
    explained: list[ToneLine] = [[(" " * _MOMENT + line, "muted")] for line in why]
    what = _describe_action(entry, zone)
    first, *rest = wrap_text(about + what, room - _MOMENT)
    more: list[ToneLine] = [[(" " * _MOMENT + line, "strong")] for line in rest]
    return [
        [
            (f"{write_moment(entry.at, zone):<{_MOMENT}}", "muted"),
            (about, ""),
            (first[len(about) :], "strong"),
        ],
        *more,
        *explained,
    ]


def _describe_action(entry: LogEntry, zone: tzinfo | None) -> str:
    details: dict[str, Any] = entry.details
    match entry.action:
        case "revoke" | "restore":
            return f"{entry.action}d session {entry.session_id}"
        case "revoke_many" | "restore_many":
            amount = write_amount(int(details.get("sessions", 0)), "session")
            return f"{entry.action.removesuffix('_many')}d {amount}"
        case "state" | "state_ended":
            until = _write_until(details.get("until"), zone)
            ended = " by itself" if entry.action == "state_ended" else ""
            return f"{details.get('before')} → {details.get('after')}{until}{ended}"
        case "rename":
            before, after = details.get("username_before"), details.get("username")
            if not isinstance(before, str) or not isinstance(after, str):
                return "renamed, the names are erased"
            return f"renamed {quote_name(before, _NAME)} → {quote_name(after, _NAME)}"
        case "external_id":
            return "changed the external id"
        case "delete":
            return f"deleted, scores: {details.get('scores')}"
        case "correct":
            changed = len(details.get("changes", ()))
            return f"corrected {entry.board} season {entry.season}, entries changed: {changed:,}"
    return clean_name(entry.action)


def _write_until(until: object, zone: tzinfo | None) -> str:
    if not isinstance(until, str):
        return ""
    try:
        return f" until {write_moment(datetime.fromisoformat(until), zone)}"
    except ValueError:
        return ""
