"""Why a well-formed submission is refused."""

from service.errors import ServiceError


class IdempotencyKeyReused(ServiceError):
    """The player used this key before, with another body."""

    status = 422
    code = "idempotency_key_reused"
    message = (
        "This Idempotency-Key was used before with another body; "
        "send a new key for a new score, or the same body to repeat the first answer."
    )
