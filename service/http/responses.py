"""The OpenAPI document: what every route may answer besides its success."""

from collections.abc import Iterator
from typing import Final

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPI, Operation

from service.errors import FieldError

# Bodies whose types forbid unknown fields.
_STRICT_BODIES: Final = ("RegisterPlayer", "SubmitScore")

_METHODS: Final = ("get", "post", "put", "patch", "delete")


class ErrorAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The one shape of every error: what happened and what to do, and a slug for machines."""

    error: str
    code: str
    fields: list[FieldError] = []


def _answers(status: int, description: str) -> dict[int, ResponseSpec]:
    return {status: ResponseSpec(ErrorAnswer, description=description, generate_examples=False)}


INVALID: Final = _answers(400, "The request is not valid; `fields` names what is wrong.")
NOT_FOUND: Final = _answers(404, "No such player.")
CONFLICT: Final = _answers(409, "The name is taken.")
TOO_LARGE: Final = _answers(413, "The body is too large.")
UNSUPPORTED: Final = _answers(415, "The body is not JSON by its Content-Type.")
KEY_REUSED: Final = _answers(422, "The Idempotency-Key was used before with another body.")
UNAVAILABLE: Final = _answers(503, "Try again after the seconds in `Retry-After`.")


def list_operations(document: OpenAPI) -> Iterator[tuple[str, str, Operation]]:
    """Yield every operation with its path and its method."""
    for path, item in (document.paths or {}).items():
        for method in _METHODS:
            operation = getattr(item, method)
            if operation is not None:
                assert isinstance(operation, Operation)
                yield path, method.upper(), operation


def document_strictness(document: OpenAPI) -> None:
    """Say of every request body that it takes no other fields, which Litestar leaves out."""
    for name in _STRICT_BODIES:
        document.components.schemas[name].additional_properties = False
