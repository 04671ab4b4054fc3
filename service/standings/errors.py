"""Why a read of standings is refused."""

from service.errors import ServiceError


class SessionNotFound(ServiceError):
    """No session has this id."""

    status = 404
    code = "session_not_found"
    message = "There is no session with this id; a submit answers with the `session_id`."
