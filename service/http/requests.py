"""How request bodies are read: strictly, and straight into the route's type."""

import re
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, ClassVar, Final, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException
from litestar.openapi.spec import Operation
from litestar.params import KwargDefinition, QueryParameter
from litestar.typing import FieldDefinition
from msgspec import inspect

from service.errors import FieldError, InvalidRequest, ServiceError, refuse_body, refuse_request
from service.validation import EXPECTED_TEXT, MAX_SAFE_INTEGER

# msgspec ends its messages with the place: "Expected `int`, got `str` - at `$.score`".
_PLACE: Final = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_NAMED_FIELD: Final = re.compile(r"Object .* field `(?P<field>.*)`", re.DOTALL)

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


class UnsupportedEncoding(ServiceError):
    """The body is compressed, or coded in another way."""

    status = 415
    code = "unsupported_encoding"
    headers: ClassVar = {"accept-encoding": "identity"}

    def __init__(self, encoding: str) -> None:
        super().__init__(
            f"The body is coded as {encoding!r} by its Content-Encoding; send it as it is."
        )


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
    message = "The connection ended before the body was complete; send it again."


_BEYOND_ANY_RANGE: Final = 10**30
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
        """Return the body, without the mark of UTF-8 that some editors and clients put ahead.

        Raises `UnsupportedEncoding`, or `ClientLeft`, which Litestar takes for an error of the
        server.
        """
        self._refuse_coding()
        try:
            return (await super().body()).removeprefix(BOM_UTF8)
        except InternalServerException as error:
            raise ClientLeft from error

    async def read_parts(self) -> AsyncGenerator[bytes, None]:
        """Yield the body as it comes, and let it take its time; raises what `body` does."""
        self._refuse_coding()
        # Not in `stream`, by which Litestar reads every body.
        self.scope[READ_AS_IT_COMES] = True  # type: ignore[typeddict-unknown-key]
        try:
            async for part in self.stream():
                yield part
        except InternalServerException as error:
            raise ClientLeft from error

    def _refuse_coding(self) -> None:
        for value in self.headers.getall("content-encoding", []):
            if value.strip(" \t").lower() not in {"", "identity"}:
                raise UnsupportedEncoding(value)

    async def json(self) -> Any:
        """Return the body as the route's type."""
        self.require_json()
        data_field = self.route_handler.parsed_data_field
        decoder = _make_decoder(data_field.annotation if data_field else Any)
        return decode_body(decoder, await self.body())


async def check_request(request: Request[Any, Any, Any]) -> None:
    """Raise `InvalidRequest` for what the route would not look at: a parameter, or a body."""
    _check_parameters(request)
    handler = request.route_handler
    # Who reads a body line by line documents it by an operation of its own.
    if (
        request.method not in {"GET", "HEAD", "OPTIONS"}
        and handler.parsed_data_field is None
        and handler.operation_class is Operation
    ):
        body = await request.body()
        if body.strip(b" \t\r\n"):
            for name in decode_body(_fields_decoder, body):
                raise refuse_body(name, "There is no such field; this address takes none")


def _check_parameters(request: Request[Any, Any, Any]) -> None:
    """Raise `InvalidRequest` for a parameter of the query that there is not, or that came twice.

    And for an id or a limit like `5.0`. Litestar would leave the first out and take the last of
    several, and msgspec 5 for `5.0` and for `5e0`. Pages may be linked to with anything behind.
    """
    query = request.query_params
    parameters = request.route_handler.parsed_fn_signature.parameters
    is_api = request.scope["path_template"].startswith("/api/")
    if query and is_api and request.method != "OPTIONS":
        _refuse_unknown(query, parameters)
    for name, field in parameters.items():
        values = query.getall(name, [])
        if len(values) > 1:
            raise refuse_request(name, "Expected this parameter once")
        if field.annotation in (int, int | None):
            text = request.path_params.get(name) or "".join(values)
            if text and not _WHOLE_NUMBER.fullmatch(text):
                raise refuse_request(name, f"Expected {name_parameter(field)}")


def _refuse_unknown(query: Iterable[str], parameters: Mapping[str, FieldDefinition]) -> None:
    taken = [
        name
        for name, field in parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    ]
    for name in query:
        if name not in taken:
            expected = f"expected {_name_each(taken)}" if taken else "this address takes none"
            raise refuse_request(name, f"There is no such parameter; {expected}")


def name_parameter(field: FieldDefinition) -> str:
    """Return what a parameter of a path or a query may be, where that is a number or a yes or no.

    Empty for others. Every one comes as text, so what msgspec says of types would mislead.
    """
    if field.annotation is bool:
        return "`true` or `false`"
    limits = field.kwarg_definition
    if field.annotation not in (int, int | None) or not isinstance(limits, KwargDefinition):
        return ""
    if limits.le is None:
        return f"a whole number from {limits.ge:.0f} on"
    return f"a whole number from {limits.ge:.0f} to {limits.le:.0f}"


@lru_cache
def _make_decoder(body_type: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(body_type)


def decode_body(decoder: "msgspec.json.Decoder[Body]", body: bytes | msgspec.Raw) -> Body:
    """Return a JSON body as the decoder's type; raises `InvalidRequest` that names the field.

    1200.0 and 12e2 are integers, as JSON Schema says and some languages write them.
    """
    try:
        try:
            return decoder.decode(body)
        except msgspec.ValidationError as error:
            if "got `float`" not in str(error):
                raise
            # Twice, but only for those who send such numbers; and from text, so that all else in
            # the body is read, and refused, as it is beside an integer without a point.
            return decoder.decode(_write_integers(msgspec.Raw(body), decoder.type, ""))
    except msgspec.ValidationError as error:
        raise InvalidRequest(
            "The body is not valid.", locate_error(str(error), decoder.type)
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequest("The body is not JSON: it is not encoded as UTF-8.") from error
    except RecursionError as error:
        raise InvalidRequest("The body is nested too deeply.") from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not JSON: {error}.") from error


def _write_integers(value: msgspec.Raw, shape: Any, field: str) -> msgspec.Raw:
    """Return JSON with its whole numbers written as integers where an integer belongs.

    It is what stands at a field of a body of this `shape`. All else stays as it was sent.
    """
    kinds = _list_kinds(shape, field)
    if inspect.IntType in kinds:
        return _write_integer(value)
    first = bytes(value).lstrip(b" \t\r\n")[:1]
    if first == b"{" and inspect.StructType in kinds:
        fields = _fields_decoder.decode(value)
        for name in fields.keys() & _list_fields(shape, field):
            fields[name] = _write_integers(fields[name], shape, f"{field}.{name}")
        return msgspec.Raw(msgspec.json.encode(fields))
    if first == b"[" and inspect.ListType in kinds:
        items = _items_decoder.decode(value)
        written = [_write_integers(one, shape, f"{field}[0]") for one in items]
        return msgspec.Raw(msgspec.json.encode(written))
    return value


_fields_decoder: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_items_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


def _write_integer(value: msgspec.Raw) -> msgspec.Raw:
    try:
        number = Decimal(bytes(value).decode())
    except InvalidOperation:
        # No number, or one with an exponent that is none: the decoder says what is wrong with it.
        return value
    if number.copy_abs() > _BEYOND_ANY_RANGE:
        # Without writing all its digits down.
        return msgspec.Raw(b"%d" % (-_BEYOND_ANY_RANGE if number < 0 else _BEYOND_ANY_RANGE))
    whole = int(number)
    return msgspec.Raw(b"%d" % whole) if whole == number else value


def locate_error(text: str, shape: Any) -> FieldError:
    """Split a message of msgspec into the field that it is about and what is allowed there.

    `shape` is the type that was expected; of a choice msgspec tells only what was wrong.
    """
    match = _PLACE.match(text)
    message = match["message"] if match else text
    field = place = (match["field"] if match else None) or ""
    if named := _NAMED_FIELD.match(message):
        field = f"{place}.{named['field']}" if place else named["field"]
    return FieldError(field or "body", _say_what_is_allowed(message, shape, place, field))


def _say_what_is_allowed(message: str, shape: Any, place: str, field: str) -> str:
    """Return a message of msgspec with what may stand at a place, or in a field of it."""
    if message.startswith(_NOT_IN_RANGE):
        if any(isinstance(one, inspect.IntType) for one in _find_places(shape, place)):
            return f"Expected an integer within ±{MAX_SAFE_INTEGER}"
        return "Expected a number that a double holds"
    if message.startswith(_NO_MOMENT):
        return "Expected a time with its zone, like `2026-11-23T19:23:43Z`"
    for pattern, expected in EXPECTED_TEXT.items():
        if message.endswith(f"matching regex {pattern!r}"):
            return f"Expected {expected}"
    no_word = _NO_WORD.fullmatch(message)
    if no_word or message.startswith(_NO_CHOICE):
        if choices := _name_each(_list_choices(shape, field)):
            return f"Expected {choices}{no_word['got'] if no_word else ''}"
        return message
    names = _list_fields(shape, place)
    return _name_fields(message, field.removeprefix(f"{place}."), names) if names else message


def _name_fields(message: str, wrong: str, names: Sequence[str]) -> str:
    """Return the same of an object with fields of these names, where it or one is `wrong`."""
    if message.startswith(_NO_SUCH_FIELD):
        if wrong in names:
            # Of objects of several kinds, each with fields of its own, the first names the kind.
            return f"There is no such field with this `{names[0]}`"
        return f"There is no such field; expected {_name_each(names)}"
    if no_object := _NO_OBJECT.fullmatch(message):
        fields = ", ".join(f"`{name}`" for name in names)
        or_null = " or null" if no_object["null"] else ""
        return f"Expected an object ({fields}){or_null}{no_object['got']}"
    return message


_NOT_IN_RANGE: Final = ("Number out of range", "Integer value out of range")
_NO_MOMENT: Final = ("Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone")
_NO_CHOICE: Final = ("Invalid enum value", "Invalid value")
_NO_WORD: Final = re.compile(r"Expected `str(?: \| null)?`(?P<got>(?:, got `\w+`)?)")
_NO_OBJECT: Final = re.compile(r"Expected `object(?P<null> \| null)?`(?P<got>, got `\w+`)")
_NO_SUCH_FIELD: Final = "Object contains unknown field"


def _name_each(words: Iterable[object]) -> str:
    named = [f"`{word}`" for word in dict.fromkeys(words)]
    return " or ".join([", ".join(named[:-1]), named[-1]]) if len(named) > 1 else "".join(named)


def _list_choices(shape: Any, field: str) -> Iterator[object]:
    """Yield what may be chosen at a place like `schedule.cron` or `lines[2].state`."""
    for place in _find_places(shape, field):
        if isinstance(place, inspect.LiteralType):
            yield from place.values
        elif isinstance(place, inspect.EnumType):
            yield from (one.value for one in place.cls)


# Each of ten thousand lines may have the same mistake.
@lru_cache(maxsize=256)
def _list_fields(shape: Any, field: str) -> list[str]:
    """Return the fields that an object may have at a place, as the body where that is empty."""
    names: list[str] = []
    for place in _find_places(shape, field):
        if isinstance(place, inspect.StructType):
            names += [place.tag_field] if place.tag_field else []
            names += [one.encode_name for one in place.fields]
    # Objects of several kinds have some in common.
    return list(dict.fromkeys(names))


# Some clients write all numbers so.
@lru_cache(maxsize=256)
def _list_kinds(shape: Any, field: str) -> frozenset[type[inspect.Type]]:
    """Return of which kinds is what may stand at a place."""
    return frozenset(map(type, _find_places(shape, field)))


def _find_places(shape: Any, field: str) -> Iterator[inspect.Type]:
    places = [inspect.type_info(shape)]
    for name in re.findall(r"[^.\[\]]+", field):
        places = [one for place in _open_unions(places) for one in _descend(place, name)]
    return _open_unions(places)


def _open_unions(places: Iterable[inspect.Type]) -> Iterator[inspect.Type]:
    for place in places:
        if isinstance(place, inspect.Metadata):
            yield from _open_unions([place.type])
        elif isinstance(place, inspect.UnionType):
            yield from _open_unions(place.types)
        else:
            yield place


def _descend(place: inspect.Type, name: str) -> Iterator[inspect.Type]:
    """Yield what is below a place: a field by its name, or what each one of a list is."""
    if isinstance(place, inspect.ListType):
        yield place.item_type
    elif isinstance(place, inspect.StructType):
        if place.tag_field == name:
            yield inspect.LiteralType((place.tag,))
        yield from (field.type for field in place.fields if field.encode_name == name)
