"""Many bodies in one request, as a JSON array or NDJSON: every line is answered for itself."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

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

from service.errors import FieldError, ServiceError
from service.http.requests import BodyTooLarge, StrictRequest, decode_body
from service.http.responses import error_response

BULK_LIMIT: Final = 10_000
"""Most lines in one bulk request."""

# Bytes: room for lines of four times the usual length, and a kilobyte of metadata in each.
BULK_BODY_LIMIT: Final = BULK_LIMIT * (400 + 1_024)

NDJSON_TYPES: Final = ("application/x-ndjson", "application/jsonl", "application/ndjson")

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

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
        wrong = FieldError("score", "Expected `int`, got `str`")
        return cls("The body is not valid.", "invalid_request", [wrong])

    @classmethod
    def of(cls, error: ServiceError) -> "BulkRefused":
        """Return what tells of a line's error, in its own words."""
        return cls(error.message, error.code, list(error.fields), error.user_id)


def is_ndjson(request: StrictRequest) -> bool:
    """Tell whether the body is NDJSON by its Content-Type, and not a JSON array.

    Raises `UnsupportedMediaType` where it is neither.
    """
    if request.content_type[0] in NDJSON_TYPES:
        return True
    request.require_json(f"lines of it with `Content-Type: {NDJSON_TYPES[0]}`")
    return False


async def answer_each(
    request: StrictRequest,
    read: Callable[[bytes | msgspec.Raw], Item],
    carry_out: Callable[[list[Item]], Awaitable[Sequence[Outcome | ServiceError]]],
    accept: Callable[[Outcome], msgspec.Struct],
) -> Response[bytes]:
    """Carry out together all lines that can be read; answer each line in its place, in kind.

    `read` and `carry_out` tell what is wrong with a line by a `ServiceError`. Raises
    `InvalidRequest` for what is no list, `TooManyLines` or `UnsupportedMediaType`.
    """
    lines: list[Item | ServiceError] = []
    for line in await _split_lines(request):
        try:
            lines.append(read(line))
        except ServiceError as error:
            lines.append(error)
    items = [line for line in lines if not isinstance(line, ServiceError)]
    carried_out = iter(await carry_out(items) if items else [])
    outcomes = (line if isinstance(line, ServiceError) else next(carried_out) for line in lines)
    answers = [
        BulkRefused.of(outcome) if isinstance(outcome, ServiceError) else accept(outcome)
        for outcome in outcomes
    ]
    if is_ndjson(request):
        return Response(_encoder.encode_lines(answers), media_type=NDJSON_TYPES[0])
    return Response(_encoder.encode(answers), media_type=MediaType.JSON)


async def _split_lines(request: StrictRequest) -> Sequence[bytes | msgspec.Raw]:
    lines: Sequence[bytes | msgspec.Raw]
    if is_ndjson(request):
        lines = [line for line in (await request.body()).split(b"\n") if line.strip()]
    else:
        array = decode_body(_array_decoder, await request.body())
        lines = array
    if len(lines) > BULK_LIMIT:
        raise TooManyLines(len(lines), BULK_LIMIT)
    return lines


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
