"""Why a well-formed submission is refused."""

from service.errors import ServiceError


class IdempotencyKeyReused(ServiceError):
    """The player used this key before, for another score or game mode."""

    status = 422
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__(
            "This Idempotency-Key was used before with another body; "
            "send a new key for a new score, or the same body to repeat the first answer."
        )


class TooManyLines(ServiceError):
    """A bulk request has more lines than one may have."""

    status = 413
    code = "too_many_lines"

    def __init__(self, lines: int, limit: int) -> None:
        super().__init__(f"{lines} lines in one request; send at most {limit} in each.")
