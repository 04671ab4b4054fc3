"""Why a request about a player is refused."""

from service.errors import ServiceError


class PlayerNotFound(ServiceError):
    """No player has this id or name."""

    status = 404
    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("User not found")


class UsernameTaken(ServiceError):
    """Another player has this name."""

    status = 409
    code = "username_taken"

    def __init__(self, username: str) -> None:
        super().__init__(f"The username {username!r} is taken; choose another one.")
