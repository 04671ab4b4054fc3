"""Why a read of the standings fails."""

from service.errors import ServiceError


class StandingsUnavailable(ServiceError):
    """Neither memory nor Redis nor PostgreSQL can answer."""

    status = 503
    code = "standings_unavailable"
    retry_after_seconds = 1

    def __init__(self) -> None:
        super().__init__(
            "Redis has no answer and the database is not available right now; "
            "ask again in a second."
        )
