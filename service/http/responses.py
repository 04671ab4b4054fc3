"""What a route may answer besides its success, for the OpenAPI document."""

from typing import Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from service.errors import (
    DatabaseUnavailable,
    FieldError,
    InvalidRequest,
    SchemaMissing,
    ServiceError,
)
from service.http.requests import BodyTooLarge, UnsupportedEncoding, UnsupportedMediaType


class ErrorAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one shape of every error: what happened and what to do, and a slug for machines.

    `user_id` is the player that has what was asked for, `role` that of a key whose role is too low.
    """

    error: str
    code: str
    fields: list[FieldError] = []
    user_id: int | None = None
    role: str | None = None

    @classmethod
    def of(cls, error: ServiceError) -> "ErrorAnswer":
        """Return what tells a caller of a domain error, in its own words."""
        return cls(error.message, error.code, list(error.fields), error.user_id, error.role)


def error_response(description: str, *errors: ServiceError) -> dict[int, ResponseSpec]:
    """Document a way in which a route may fail; `errors`, all of one status, are its examples."""
    (status,) = {error.status for error in errors}
    return {
        status: ResponseSpec(
            ErrorAnswer,
            description=description,
            examples=[list_examples(*errors)[error.code] for error in errors],
            generate_examples=False,
        )
    }


def list_examples(*errors: ServiceError) -> dict[str, Example]:
    """Return an example of each error, by its code."""
    return {
        error.code: Example(id=error.code, value=msgspec.to_builtins(ErrorAnswer.of(error)))
        for error in errors
    }


INVALID: Final = error_response(
    "The request is not valid; `fields` names what is wrong.",
    InvalidRequest("The body is not valid.", FieldError("score", "Expected `int`, got `str`")),
)
TOO_LARGE: Final = error_response("The body is too large.", BodyTooLarge(65_536))
UNSUPPORTED: Final = error_response(
    "The body is not JSON by its Content-Type, or it is coded.",
    UnsupportedMediaType("text/plain"),
    UnsupportedEncoding("gzip"),
)


def unavailable(*errors: ServiceError) -> dict[int, ResponseSpec]:
    """Document that a route may fail for a while; `errors` are those of its own."""
    return error_response(
        "Try again after the seconds in `Retry-After`.",
        DatabaseUnavailable(""),
        SchemaMissing(""),
        *errors,
    )
