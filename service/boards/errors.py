"""Why a request about a board or a season is refused."""

from collections.abc import Iterable

from service.boards.rule import BOARDS_OF_A_SESSION
from service.errors import DatabaseUnavailable, FieldError, InvalidRequest, ServiceError

_FIXED = "The board 'global' sums up every session for ever and cannot be changed;"


class BoardNotFound(ServiceError):
    """No board has this slug."""

    status = 404
    code = "board_not_found"

    def __init__(self, slug: str) -> None:
        missing = f"There is no board {slug!r};"
        super().__init__(f"{missing} GET /api/boards lists those that there are.")
        self.at_terminal = f"{missing} `leaderboard boards list` lists those that there are."


class SeasonNotFound(ServiceError):
    """The board has no season of this number, or none before its first."""

    status = 404
    code = "season_not_found"

    def __init__(self, slug: str, season: str) -> None:
        missing = f"The board {slug!r} has no season {season!r};"
        super().__init__(f"{missing} GET /api/boards/{slug}/seasons lists those that it has.")
        self.at_terminal = f"{missing} `leaderboard boards show {slug}` lists the last that it has."


class BoardExists(InvalidRequest):
    """The slug has a board of another rule; `fields` says in what they differ."""

    status = 409
    code = "board_exists"

    def __init__(self, slug: str, fields: Iterable[FieldError]) -> None:
        there = f"The board {slug!r} exists with another rule;"
        another = "and another slug makes another board."
        super().__init__(f"{there} PATCH changes it, {another}", *fields)
        self.at_terminal = f"{there} `leaderboard boards change` changes it, {another}"


class BoardFixed(ServiceError):
    """The board `global` always is what it is."""

    status = 409
    code = "board_fixed"
    message = f"{_FIXED} make a board of your own with PUT /api/boards/{{slug}}."
    at_terminal = f"{_FIXED} make a board of your own with `leaderboard boards create`."


class StandingsBehind(ServiceError):
    """Standings are still to be made again for what moderators did."""

    status = 503
    code = "standings_behind"
    retry_after_seconds = 5

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            "No worker has made the standings again for what moderators did, for over "
            f"{wait_seconds:g} s; try again when one runs and has."
        )


class TooManyBoards(ServiceError):
    """One session would count on more boards than one may."""

    status = 409
    code = "too_many_boards"
    message = (
        f"A session may count on {BOARDS_OF_A_SESSION} boards at most, and one could count on "
        "more with this; archive a board, or narrow this one's game_mode or bounds."
    )


class BoardChanged(ServiceError):
    """The board is not what the caller read any more."""

    status = 412
    code = "board_changed"

    def __init__(self, *, is_etag: bool = True) -> None:
        super().__init__(
            "The board was changed since; read it again, and send its new ETag as If-Match."
            if is_etag
            else "This If-Match is no ETag; read the board, and send its ETag as it is, in quotes."
        )


class IfMatchRequired(ServiceError):
    """A change has to say of which state of the board it is one."""

    status = 428
    code = "if_match_required"
    message = (
        "Send the ETag of the board, as GET answers it, in the header If-Match, so that nobody "
        "else's change is undone."
    )


class BoardArchived(ServiceError):
    """The board counts nothing until it is taken out of the archive."""

    status = 409
    code = "board_archived"

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"The board {slug!r} is archived; POST /api/boards/{slug}/unarchive takes it back."
        )
        self.at_terminal = f"The board {slug!r} is archived; the API's `unarchive` takes it back."


class BoardFilling(ServiceError):
    """The board is still being filled from the past."""

    status = 503
    code = "board_filling"
    retry_after_seconds = 5

    def __init__(self, slug: str) -> None:
        super().__init__(
            f"The board {slug!r} is being filled from the ledger; ask again in some seconds."
        )


class StandingsUnavailable(DatabaseUnavailable):
    """Neither memory nor Redis nor PostgreSQL can answer."""

    code = "standings_unavailable"
    message = (
        "Redis has no answer and the database is not available right now; ask again in a second."
    )

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
