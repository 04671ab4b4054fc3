"""How request bodies are read: strictly, and straight into the route's type."""

import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from service.errors import FieldError, InvalidRequest, ServiceError

# msgspec ends its messages with the place: "Expected `int`, got `str` - at `$.score`".
_PLACE: Final = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_NAMED_FIELD: Final = re.compile(r"field `(?P<field>[^`]+)`")

READ_AS_IT_COMES: Final = "leaderboard.read_as_it_comes"
"""Set in the scope of a request whose body is read while it comes, and may take its time."""

Body = TypeVar("Body")


class UnsupportedMediaType(ServiceError):
    """The body says that it is something other than what is taken there."""

    status = 415
    code = "unsupported_media_type"

    def __init__(self, content_type: str, *others: str) -> None:
        taken = " or ".join(["send JSON with `Content-Type: application/json`", *others])
        super().__init__(f"The body is {content_type!r} by its Content-Type; {taken}.")


class BodyTooLarge(ServiceError):
    """The body has more bytes than are taken there."""

    status = 413
    code = "body_too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"The body has more than {limit:,} bytes, the most that is taken here; "
            "send less in one request."
        )


class ClientLeft(ServiceError):
    """The connection ended before the body did: nobody is there to read this."""

    status = 400
    code = "body_incomplete"

    def __init__(self) -> None:
        super().__init__("The connection ended before the body was complete; send it again.")


_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]+")


class StrictRequest(Request[Any, Any, Any]):
    """Decodes a JSON body in one step into the type of the route's `data`.

    Litestar's own way, decoding and then converting, would take "42" for 42.
    """

    def require_json(self, *others: str) -> None:
        """Raise `UnsupportedMediaType` for a body that says it is something other than JSON.

        `others` are the words for what is taken besides.
        """
        media_type = self.content_type[0]
        if media_type and not (media_type == "application/json" or media_type.endswith("+json")):
            raise UnsupportedMediaType(media_type, *others)

    async def body(self) -> bytes:
        """Return the body; raises `ClientLeft`, which Litestar takes for an error of the server."""
        try:
            return await super().body()
        except InternalServerException as error:
            raise ClientLeft from error

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes; raises `ClientLeft`, as `body` does."""
        self.scope[READ_AS_IT_COMES] = True  # type: ignore[typeddict-unknown-key]
        try:
            async for part in super().stream():
                yield part
        except InternalServerException as error:
            raise ClientLeft from error

    async def json(self) -> Any:
        """Return the body as the route's type."""
        self.require_json()
        data_field = self.route_handler.parsed_data_field
        decoder = _make_decoder(data_field.annotation if data_field else Any)
        return decode_body(decoder, await self.body())


async def check_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise `InvalidRequest` for a parameter that came twice, and for an id or a limit like `5.0`.

    Litestar would take the last of several, and msgspec 5 for `5.0` and for `5e0`.
    """
    query = request.query_params
    for name, field in request.route_handler.parsed_fn_signature.parameters.items():
        values = query.getall(name, [])
        if len(values) > 1:
            error = FieldError(name, "Expected this parameter once")
            raise InvalidRequest("The request is not valid.", error)
        if field.annotation in (int, int | None):
            text = request.path_params.get(name) or "".join(values)
            if text and not _WHOLE_NUMBER.fullmatch(text):
                error = FieldError(name, "Expected `int`, got `str`")
                raise InvalidRequest("The request is not valid.", error)


@lru_cache
def _make_decoder(body_type: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(body_type)


def decode_body(decoder: "msgspec.json.Decoder[Body]", body: bytes | msgspec.Raw) -> Body:
    """Return a JSON body as the decoder's type; raises `InvalidRequest` that names the field."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # msgspec takes `5.0` for an integer, but not where null is allowed as well.
        if "got `float`" in str(error):
            with suppress(msgspec.ValidationError):
                return msgspec.convert(_make_integers(msgspec.json.decode(body)), decoder.type)
        raise InvalidRequest("The body is not valid.", locate_error(str(error))) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error


def _make_integers(value: Any) -> Any:
    """Return decoded JSON with each number that has no fraction as an integer."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_make_integers(item) for item in value]
    if isinstance(value, dict):
        return {name: _make_integers(item) for name, item in value.items()}
    return value


def locate_error(text: str) -> FieldError:
    """Split a message of msgspec into the field that it is about and what is allowed there."""
    match = _PLACE.match(text)
    message = match["message"] if match else text
    field = (match["field"] if match else None) or ""
    if not field and (named := _NAMED_FIELD.search(message)):
        field = named["field"]
    if "matching regex" in message and "x00" in message:
        message = "Expected text without NUL characters"
    return FieldError(field=field or "body", message=message)
