"""The console as its operator wants it: in what is written down, and in what was chosen last."""

from typing import Any, Final

from textual.app import App
from textual.color import Color
from textual.theme import Theme

from dashboard.configuration.preferences import NotKept, Preferences

_PROFILE_COLOUR: Final = "ansi_bright_blue"


class PreferenceApp(App[None]):
    """An app with preferences, which are to be there before it is mounted."""

    preferences = Preferences()

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return the colours that are no theme's: those of the profile."""
        profile = self.preferences.profile
        colour = Color.parse((profile and profile.colour) or _PROFILE_COLOUR)
        return {"profile": colour.hex, "profile-text": colour.get_contrast_text(1.0).hex}

    def follow_preferences(self) -> None:
        """Take the colours that were chosen last, and keep those that are chosen from now on."""
        for notice in self.preferences.notices:
            self.warn(notice)
        theme = self.find_choice("theme", self.preferences.configuration.theme)
        if theme in self.available_themes:
            self.theme = theme
        self.theme_changed_signal.subscribe(self, self._keep_theme)

    def find_choice(self, name: str, written: Any) -> Any:
        """Return what was chosen last, else what is written."""
        try:
            return self.preferences.choices.find(name, written)
        except NotKept as error:
            self.warn(f"What was chosen is not known: {error}")
            return written

    def keep_choice(self, name: str, chosen: Any, written: Any) -> None:
        """Keep a choice for the next start."""
        try:
            self.preferences.choices.keep(name, chosen, written)
        except NotKept as error:
            self.warn(f"Not kept: {error}")

    def warn(self, text: str) -> None:
        """Say what does not work as the operator wants it to."""
        self.notify(text, severity="warning", markup=False)

    def _keep_theme(self, theme: Theme) -> None:
        self.keep_choice("theme", theme.name, self.preferences.configuration.theme)
