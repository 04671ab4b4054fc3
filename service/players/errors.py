"""Why a request about a player is refused."""

from service.errors import ServiceError


class PlayerNotFound(ServiceError):
    """No player has this id or name."""

    status = 404
    code = "user_not_found"
    message = "User not found"


class PlayerBanned(ServiceError):
    """A moderator has banned the player."""

    status = 403
    code = "player_banned"
    message = "This player is banned: no score is taken until a moderator ends that."


class UsernameTaken(ServiceError):
    """Another player has this name."""

    status = 409
    code = "username_taken"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"The username {username!r} is taken; choose another one or, if it is the same player, "
            "look up by this name who has it and use that user_id."
        )


class UsernameReserved(ServiceError):
    """The name is one of those that deleted players get."""

    status = 409
    code = "username_reserved"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"The username {username!r} is reserved for a deleted player; choose another one."
        )


class ExternalIdTaken(ServiceError):
    """A player of another name has this external id."""

    status = 409
    code = "external_id_taken"

    def __init__(self, external_id: str, user_id: int) -> None:
        super().__init__(
            f"The external id {external_id!r} belongs to the player with the user_id {user_id}; "
            "use that player, or another external id."
        )
        self.user_id = user_id
