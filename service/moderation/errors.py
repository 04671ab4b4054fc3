"""Why something cannot be moderated."""

from service.errors import ServiceError
from service.standings.errors import SessionNotFound


class SessionNotTheirs(ServiceError):
    """A session that was named is not the player's, or there is none of this id."""

    status = 404
    code = SessionNotFound.code

    def __init__(self, session_id: int) -> None:
        super().__init__(f"The player has no session {session_id}; nothing was changed.")


class SeasonNotClosed(ServiceError):
    """The season still counts, or its result is not stored yet."""

    status = 409
    code = "season_not_closed"

    def __init__(self, slug: str, number: int) -> None:
        super().__init__(
            f"Season {number} of the board {slug!r} is not closed, so that what is revoked or "
            "banned leaves it by itself; only a closed season is corrected."
        )
