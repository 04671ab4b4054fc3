"""Maps every error to the one shape: `{"error", "code"}` with an optional list of `fields`."""

import logging
import re
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import HTTPException, NotFoundException, ValidationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.status_codes import HTTP_404_NOT_FOUND, HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import ExceptionHandlersMap

from service.errors import FieldError, ServiceError
from service.http.requests import BodyTooLarge, locate_error, name_parameter
from service.http.responses import ErrorAnswer

_log = logging.getLogger(__name__)

_ADVICE: Final = {
    404: ("not_found", "There is nothing at this address; GET /schema lists what there is."),
    405: ("method_not_allowed", "This address does not take this method"),
}

# Litestar names a missing parameter in its message only.
_MISSING_PARAMETER: Final = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")

NO_STORE: Final = (b"cache-control", b"no-store")
"""The header of every answer. A proxy would keep an answer without it for minutes, and a rank is
old within milliseconds. A new answer costs less than finding out that an old one still holds."""

AnyRequest = Request[Any, Any, Any]


def describe_error(error: Exception) -> tuple[int, ErrorAnswer, dict[str, str]]:
    """Return the status, body and headers that tell a caller of an error.

    A domain error has its own words. Any other is a bug of ours and is told without its insides;
    the log has them.
    """
    if not isinstance(error, ServiceError):
        _log.error("unexpected error", exc_info=error)
        answer = ErrorAnswer(
            error="Something unexpected went wrong here; the service's log says what.",
            code="internal_error",
        )
        return HTTP_500_INTERNAL_SERVER_ERROR, answer, {}
    headers = dict(error.headers)
    if error.retry_after_seconds is not None:
        headers["retry-after"] = str(error.retry_after_seconds)
    return error.status, ErrorAnswer.of(error), headers


def encode_error(error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Return status, body and headers of an error's answer, for what runs ahead of the routes."""
    status, answer, headers = describe_error(error)
    body = msgspec.json.encode(answer)
    return status, body, [(name.encode(), value.encode()) for name, value in headers.items()]


def answer_error(_: AnyRequest, error: Exception) -> Response[ErrorAnswer]:
    """Answer a domain error in its own words, any other one in ours."""
    status, answer, headers = describe_error(error)
    return Response(answer, status_code=status, headers=headers)


def answer_validation_error(
    request: AnyRequest, error: ValidationException
) -> Response[ErrorAnswer]:
    """Answer a wrong path, query or header parameter, naming it."""
    fields = []
    parameters = request.route_handler.parsed_fn_signature.parameters
    for detail in error.extra or []:
        if isinstance(detail, dict):
            parameter = parameters.get(str(detail.get("key")))
            shape = parameter.annotation if parameter else None
            located = locate_error(str(detail.get("message", "")), shape)
            field = str(detail.get("key", located.field))
            if detail.get("source") == ParamType.HEADER:
                field = field.replace("_", "-").title()
            if field == "data":
                located = FieldError("body", "Expected a JSON object, got no body")
            expected = name_parameter(parameter) if parameter else ""
            message = f"Expected {expected}" if expected else located.message
            fields.append(FieldError("body" if field == "data" else field, message))
    if missing := _MISSING_PARAMETER.match(error.detail):
        fields.append(FieldError(missing["name"], "This parameter is required"))
    return Response(
        ErrorAnswer(error="The request is not valid.", code="invalid_request", fields=fields),
        status_code=400,
    )


def answer_http_error(request: AnyRequest, error: HTTPException) -> Response[ErrorAnswer]:
    """Answer what the framework refuses by itself: no such address, method, size."""
    status = error.status_code
    if status >= HTTP_500_INTERNAL_SERVER_ERROR:
        return answer_error(request, error)
    if isinstance(error, RequestEntityTooLarge):
        limit = request.route_handler.resolve_request_max_body_size()
        assert limit is not None
        return answer_error(request, BodyTooLarge(limit))
    code, advice = _ADVICE.get(status, ("invalid_request", error.detail))
    headers = dict(error.headers or {})
    if "allow" in headers:
        headers["allow"] = allow_head(headers["allow"])
        advice = f"{advice}; it takes {headers['allow']}."
    return Response(ErrorAnswer(error=advice, code=code), status_code=status, headers=headers)


def allow_head(methods: str) -> str:
    """Return the value of an `Allow` header that names HEAD wherever it names GET."""
    named = set(methods.split(", "))
    return ", ".join(sorted(named | {"HEAD"} if "GET" in named else named))


def refuse_unknown_schema(response: Response[Any]) -> Response[Any]:
    """Have an unknown address below `/schema` answered as any other; Litestar has a page for it."""
    if response.status_code == HTTP_404_NOT_FOUND:
        raise NotFoundException
    return response


EXCEPTION_HANDLERS: Final[ExceptionHandlersMap] = {
    ServiceError: answer_error,
    ValidationException: answer_validation_error,
    HTTPException: answer_http_error,
    Exception: answer_error,
}
