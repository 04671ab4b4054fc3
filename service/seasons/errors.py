"""Why a season cannot be corrected now."""

from service.errors import ServiceError


class LedgerBusy(ServiceError):
    """Somebody has been writing sessions for long, and may or may not commit them."""

    status = 503
    code = "ledger_busy"
    retry_after_seconds = 5

    def __init__(self, wait_seconds: float) -> None:
        super().__init__(
            f"A transaction has been writing sessions for over {wait_seconds:g} s, so that the "
            "newest ones are not known yet; try again when it has finished."
        )
