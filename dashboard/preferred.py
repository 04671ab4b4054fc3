"""The console as its operator wants it: in what is written down, and in what was chosen last."""

from typing import Any, Final

from textual.app import App
from textual.color import Color, ColorParseError
from textual.theme import Theme

from dashboard.configuration.columns import read_columns, read_sorting
from dashboard.configuration.preferences import NotKept, Preferences
from dashboard.screens.console_screen import ConsoleScreen
from dashboard.state.console_state import ConsoleState
from dashboard.state.event_log import Event

_PROFILE_COLOUR: Final = "ansi_bright_blue"


def is_colour(text: str) -> bool:
    """Return whether a profile can have this colour."""
    try:
        Color.parse(text)
    except ColorParseError:
        return False
    return True


class PreferenceApp(App[None]):
    """An app with preferences, which are to be there before it is mounted."""

    preferences = Preferences()
    state: ConsoleState
    _theme_before = ""

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the colours that are no theme's: those of the profile."""
        profile = self.preferences.profile
        colour = Color.parse((profile and profile.colour) or _PROFILE_COLOUR)
        return {"profile": colour.hex, "profile-text": colour.get_contrast_text(1.0).hex}

    def follow_preferences(self) -> None:
        """Take the colours that were chosen last, and keep those that are chosen from now on."""
        for notice in self.preferences.notices:
            self.warn(notice)
        theme = self.find_choice("theme", self._find_written("theme"))
        if theme in self.available_themes:
            self.theme = theme
        self._theme_before = self.theme
        columns, sort = self._find_written("columns"), self._find_written("sort")
        self.state.columns = read_columns(self.find_choice("columns", columns))
        self.state.sorting = read_sorting(self.find_choice("sort", sort))
        self.theme_changed_signal.subscribe(self, self._keep_theme)

    def find_choice(self, name: str, written: Any) -> Any:
        """Return what was chosen last, else what is written."""
        try:
            return self.preferences.choices.find(name, written)
        except NotKept as error:
            self.warn(f"What was chosen is not known: {error}")
            return written

    def _keep_choice(self, name: str, chosen: Any) -> None:
        """Keep a choice for the next start."""
        try:
            self.preferences.choices.keep(name, chosen, self._find_written(name))
        except NotKept as error:
            self.warn(f"Not kept: {error}")

    def warn(self, text: str) -> None:
        """Say what does not work as the operator wants it to, and log it."""
        self.state.log.add(Event(self.state.clock.now(), "Console", "warn", text))
        self.notify(text, severity="warning", markup=False)

    def on_console_screen_chosen(self, event: ConsoleScreen.Chosen) -> None:
        """Keep what was chosen on a screen."""
        self._keep_choice(event.name, event.chosen)

    def _keep_theme(self, theme: Theme) -> None:
        # Also the first one is told of, which nobody chose here.
        if theme.name != self._theme_before:
            self._theme_before = theme.name
            self._keep_choice("theme", theme.name)

    def _find_written(self, name: str) -> Any:
        """Return what the file says, as it would be kept beside a choice."""
        written = getattr(self.preferences.configuration, name)
        return list(written) if isinstance(written, tuple) else written
