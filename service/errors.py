"""Errors that carry their own HTTP status, code and advice.

A domain error is raised where the rule lives and mapped to HTTP once, in `service.http.errors`. Its
message says what happened and what to do; it reaches the caller as it is.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request, and what is allowed."""

    field: str
    message: str


class ServiceError(Exception):
    """A request or command that cannot be carried out, with the message for its sender.

    `status` is the HTTP status, `code` a stable slug for machines. `retry_after_seconds`, where
    set, becomes the `Retry-After` header; `headers` are sent as they are. `user_id`, where set, is
    the player that the request met, `role` that of the caller's key, where it is too low.
    `at_terminal`, where set, is the message for who uses the command line and no HTTP. `fields` are
    those of the request that are wrong.

    An error that always says the same has its `message` as a class.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    message: str
    at_terminal: str | None = None
    retry_after_seconds: int | None = None
    headers: ClassVar[Mapping[str, str]] = {}
    user_id: int | None = None
    role: str | None = None
    fields: tuple[FieldError, ...] = ()

    def __init__(self, message: str | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(self.message)

    def explain(self) -> str:
        """Return what an operator needs to know, in a log or on a terminal."""
        return self.at_terminal or str(self)


def explain_error(error: Exception) -> str:
    """Return what an operator needs to know of any error, one that is a bug included."""
    if isinstance(error, ServiceError):
        return error.explain()
    return f"{type(error).__name__}: {error}"


def describe_error(error: BaseException) -> str:
    """Return in its own words what a server or the network has refused."""
    if isinstance(error, OSError) and error.errno is not None:
        # Python's words for it name a socket. The number of a name that nobody knows is negative.
        return os.strerror(error.errno) if error.errno > 0 else str(error.strerror)
    silence = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return str(error) or silence


class InvalidRequest(ServiceError):
    """A request that no retry can make right; `fields` names what to change."""

    status = 400
    code = "invalid_request"

    def __init__(self, message: str | None = None, *fields: FieldError) -> None:
        super().__init__(message)
        self.fields = fields

    def explain(self) -> str:
        """Return what is wrong, field by field where that is known."""
        fields = "; ".join(f"{wrong.field}: {wrong.message}" for wrong in self.fields)
        if not fields:
            return super().explain()
        return f"{self.at_terminal} {fields}" if self.at_terminal else fields


def refuse_body(field: str, message: str) -> InvalidRequest:
    """Return why a body is refused for one of its fields; the message says what is allowed."""
    return InvalidRequest("The body is not valid.", FieldError(field, message))


def refuse_request(field: str, message: str) -> InvalidRequest:
    """Return the same for a parameter of the path or the query, or for a header."""
    return InvalidRequest("The request is not valid.", FieldError(field, message))


class DatabaseUnavailable(ServiceError):
    """PostgreSQL cannot be reached or went away during the statement.

    `place`, where known, is its address, without user and password.
    """

    status = 503
    code = "database_unavailable"
    message = (
        "The database is not available right now; send the same request again shortly "
        "(with an Idempotency-Key it is never counted twice)."
    )
    retry_after_seconds = 1

    def __init__(self, reason: str, place: str | None = None) -> None:
        super().__init__()
        self.reason = reason
        self.place = place

    def explain(self) -> str:
        """Return why it cannot be used; the advice in the message is for who sends a request."""
        if self.place is None:
            return f"the database cannot be used: {self.reason}"
        return (
            f"cannot use the database at {self.place}: {self.reason} "
            "(check the server, and DATABASE_URL)"
        )


class WritesRefused(DatabaseUnavailable):
    """PostgreSQL answers, but writes nothing: its disk is full, or it may only be read."""

    retry_after_seconds = 5

    def explain(self) -> str:
        """Return why it writes nothing."""
        return f"the database takes no writes: {self.reason}"


class SchemaMissing(DatabaseUnavailable):
    """PostgreSQL answers, but the tables that we need are not there."""

    code = "schema_missing"
    message = (
        "The database has no schema yet, or that of an earlier release: run `leaderboard migrate`."
    )
    retry_after_seconds = 5

    def __str__(self) -> str:
        return f"{self.message} ({self.reason})"

    def explain(self) -> str:
        """Return what is missing, and what to do."""
        return str(self)


class CacheUnavailable(ServiceError):
    """Redis cannot be reached, or holds nothing that this read may show."""

    status = 503
    code = "cache_unavailable"
    retry_after_seconds = 1


class CacheTimedOut(CacheUnavailable):
    """Redis did not answer in time: another command would cost the same wait."""


class CacheFull(CacheUnavailable):
    """Redis has no memory left for what it was to keep, and may evict nothing."""


class UsageError(Exception):
    """A mistake of the user at the command line: one line on stderr, exit status 1."""
