"""What can be wrong with a caller's key."""

from typing import ClassVar

from service.errors import ServiceError

_HOW_TO_MAKE = "`leaderboard keys create` on the server makes one."


class KeyRequired(ServiceError):
    """The request needs a key and has none."""

    status = 401
    code = "key_required"
    headers: ClassVar = {"www-authenticate": "Bearer"}
    message = f"This needs an API key: send it as `Authorization: Bearer <key>`. {_HOW_TO_MAKE}"


class KeyRefused(ServiceError):
    """What was sent for a key is none, or none any more."""

    status = 401
    code = "key_refused"
    headers: ClassVar = {"www-authenticate": 'Bearer error="invalid_token"'}
    message = (
        "The Authorization header holds no key that is valid here: send "
        f"`Authorization: Bearer <key>` once, with a key that was not revoked. {_HOW_TO_MAKE}"
    )


class RoleInsufficient(ServiceError):
    """The key is valid, and is not for this."""

    status = 403
    code = "role_insufficient"

    def __init__(self, role: str, needed: str) -> None:
        super().__init__(f"The role of this key is {role!r}; this needs the role {needed!r}.")
        self.role = role


class KeysUnknown(ServiceError):
    """This process has not read the keys yet."""

    status = 503
    code = "keys_unknown"
    retry_after_seconds = 1
    message = "The API keys could not be read yet; send the same request again shortly."


class TooManyOfKey(ServiceError):
    """The key has sent as many requests as one may."""

    status = 429
    code = "rate_limited"

    def __init__(self, per_minute: int, retry_after_seconds: int) -> None:
        super().__init__(
            f"This key may send {per_minute} requests a minute; go on after the seconds in "
            "`Retry-After`."
        )
        self.retry_after_seconds = retry_after_seconds
