"""Why something cannot be moderated."""

from service.errors import ServiceError


class SessionNotFound(ServiceError):
    """The ledger has no session of this id, or not of the player named."""

    status = 404
    code = "session_not_found"

    def __init__(self, not_theirs: int | None = None) -> None:
        super().__init__(
            "There is no session of this id."
            if not_theirs is None
            else f"The player has no session {not_theirs}; nothing was changed."
        )


class SeasonNotClosed(ServiceError):
    """The season still counts, or its result is not stored yet."""

    status = 409
    code = "season_not_closed"

    def __init__(self, slug: str, number: int) -> None:
        super().__init__(
            f"Season {number} of the board {slug!r} is not closed, so that what is revoked or "
            "banned leaves it by itself; only a closed season is corrected."
        )
