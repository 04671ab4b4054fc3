"""Many bodies in one request, as a JSON array or NDJSON: every line is answered for itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import msgspec
from litestar import MediaType, Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from service.errors import FieldError, InvalidRequest, ServiceError
from service.http.requests import Body, BodyTooLarge, StrictRequest, decode_body
from service.http.responses import error_response

BULK_LIMIT: Final = 10_000
"""Most lines in one bulk request."""

# Bytes: room for lines of four times the usual length, and a kilobyte of metadata in each.
BULK_BODY_LIMIT: Final = BULK_LIMIT * (400 + 1_024)

NDJSON_TYPES: Final = ("application/x-ndjson", "application/jsonl", "application/ndjson")

_encoder: Final = msgspec.json.Encoder()
_array_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])


class TooManyLines(ServiceError):
    """A bulk request has more lines than one may have."""

    status = 413
    code = "too_many_lines"

    def __init__(self, lines: int, limit: int) -> None:
        super().__init__(f"{lines} lines in one request; send at most {limit} in each.")


BULK_TOO_LARGE: Final = error_response(
    "The body is too large, or has too many lines.",
    BodyTooLarge(BULK_BODY_LIMIT),
    TooManyLines(BULK_LIMIT + 1, BULK_LIMIT),
)


class BulkRefused(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="status", tag="error"):
    """This line changed nothing; that does not affect the others."""

    error: str
    code: str
    fields: list[FieldError] = []
    user_id: int | None = None

    @classmethod
    def example(cls) -> "BulkRefused":
        """Return what the documentation shows."""
        wrong = FieldError("score", "Expected `int`, got `str`")
        return cls("The body is not valid.", "invalid_request", [wrong])

    @classmethod
    def of(cls, error: ServiceError) -> "BulkRefused":
        """Return what tells of a line's error, in its own words."""
        fields = list(error.fields) if isinstance(error, InvalidRequest) else []
        return cls(error.message, error.code, fields, error.user_id)


def is_ndjson(request: StrictRequest) -> bool:
    """Tell whether the body is NDJSON by its Content-Type, and not a JSON array.

    Raises `UnsupportedMediaType` where it is neither.
    """
    if request.content_type[0] in NDJSON_TYPES:
        return True
    request.require_json(f"lines of it with `Content-Type: {NDJSON_TYPES[0]}`")
    return False


async def read_lines(
    request: StrictRequest, decoder: "msgspec.json.Decoder[Body]"
) -> list[Body | InvalidRequest]:
    """Return every line as the decoder's type, or what is wrong with it.

    Raises `InvalidRequest` for what is no list, `TooManyLines` or `UnsupportedMediaType`.
    """
    lines: Sequence[bytes | msgspec.Raw]
    if is_ndjson(request):
        lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
    else:
        array = decode_body(_array_decoder, await request.body())
        lines = array
    if len(lines) > BULK_LIMIT:
        raise TooManyLines(len(lines), BULK_LIMIT)
    decoded: list[Body | InvalidRequest] = []
    for line in lines:
        try:
            decoded.append(decode_body(decoder, line))
        except InvalidRequest as error:
            decoded.append(error)
    return decoded


def answer_lines(request: StrictRequest, answers: Iterable[msgspec.Struct]) -> Response[bytes]:
    """Answer each line in its place, in the format of the request."""
    if is_ndjson(request):
        return Response(_encoder.encode_lines(answers), media_type=NDJSON_TYPES[0])
    return Response(_encoder.encode(answers), media_type=MediaType.JSON)


def document_answers(answer: Any, *examples: msgspec.Struct) -> dict[int, ResponseSpec]:
    """Document the answers of a bulk request, each of which is an `answer`."""
    return {
        200: ResponseSpec(
            list[answer],
            description="An answer a line, in their order.",
            generate_examples=False,
            examples=[Example(value=msgspec.to_builtins(examples))],
        )
    }


def describe_lines(line: Any) -> Schema:
    """Document NDJSON, of which this may be a line.

    In words: generators of requests take an example of NDJSON for one of JSON.
    """
    shown = msgspec.json.encode(line).decode()
    return Schema(type=OpenAPIType.STRING, description=f"A line is like `{shown}`.")


@dataclass
class BulkOperation(Operation):
    """Documents a body that the framework cannot see, because each line is decoded by itself."""

    line: ClassVar[Schema]
    """Without a type: an invalid line gets an error of its own, and the request is not refused."""

    def __post_init__(self) -> None:
        assert self.line.examples is not None
        lines = Schema(type=OpenAPIType.ARRAY, items=self.line, max_items=BULK_LIMIT)
        self.request_body = RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=lines),
                NDJSON_TYPES[0]: OpenAPIMediaType(schema=describe_lines(self.line.examples[0])),
            },
        )
