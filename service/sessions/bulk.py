"""Many scores in one request: each line is read, recorded and answered for itself."""

from collections.abc import Sequence
from typing import Final

import msgspec

from service.errors import InvalidRequest, ServiceError
from service.http.requests import decode_body
from service.sessions.schemas import BulkAccepted, BulkAnswer, BulkLine, BulkRefused
from service.sessions.service import Ledger, Submission

BULK_LIMIT: Final = 10_000

_array_decoder: Final = msgspec.json.Decoder(list[msgspec.Raw])
_line_decoder: Final = msgspec.json.Decoder(BulkLine)


class TooManyLines(ServiceError):
    """A bulk request with more lines than one may have."""

    status = 413
    code = "too_many_lines"

    def __init__(self, lines: int) -> None:
        super().__init__(f"{lines} lines in one request; send at most {BULK_LIMIT} in each.")


def split_array(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    """Return the elements of a JSON array, not yet read; raises `InvalidRequest`."""
    return decode_body(_array_decoder, body)


def split_lines(body: bytes) -> Sequence[bytes | msgspec.Raw]:
    """Return the lines of NDJSON, without empty ones."""
    return [line for line in body.split(b"\n") if line.strip()]


async def record_lines(ledger: Ledger, lines: Sequence[bytes | msgspec.Raw]) -> list[BulkAnswer]:
    """Record every line that is valid; answer each, in their order.

    Raises `TooManyLines` or `QueueFull`, and nothing is recorded. After a `DatabaseUnavailable`
    the commit may have come through all the same: lines with a key can be sent again.
    """
    if len(lines) > BULK_LIMIT:
        raise TooManyLines(len(lines))
    read = [_read_line(line) for line in lines]
    submissions = [line for line in read if isinstance(line, Submission)]
    recorded = iter(await ledger.record_many(submissions) if submissions else [])
    return [_answer(next(recorded) if isinstance(line, Submission) else line) for line in read]


def _read_line(line: bytes | msgspec.Raw) -> Submission | InvalidRequest:
    try:
        score = decode_body(_line_decoder, line)
    except InvalidRequest as error:
        return error
    return Submission(score.user_id, score.score, score.game_mode, score.idempotency_key)


def _answer(outcome: int | ServiceError) -> BulkAnswer:
    if isinstance(outcome, int):
        return BulkAccepted(session_id=outcome)
    fields = list(outcome.fields) if isinstance(outcome, InvalidRequest) else []
    return BulkRefused(error=outcome.message, code=outcome.code, fields=fields)
