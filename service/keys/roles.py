"""What a key is for."""

from enum import IntEnum


class Role(IntEnum):
    """Each role may do what those before it may."""

    READ = 1
    """Tops, ranks, players and the event stream."""
    SUBMIT = 2
    """Scores, and new players."""
    ADMIN = 3
    """Everything, with import, export and what is under `/api/ops`."""

    @property
    def word(self) -> str:
        """How people write it."""
        return self.name.lower()


ROLE_WORDS = tuple(role.word for role in Role)
