"""What an answer tells besides of each player in it: the session that the score is of."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from service.backends.database import load_sql
from service.backends.replica import LaggingReads
from service.boards.finder import Season
from service.errors import DatabaseUnavailable
from service.standings.reads.expected import ExpectedReader
from service.standings.run import Run
from service.standings.schemas import Rank

SELECT_DETAILS: Final = load_sql("standings/reads", "select_details")

# A fold is published some milliseconds after it is committed.
_DETAILED_READS: Final = 4
_PUBLISHED_SECONDS: Final = 0.02

Detailed = TypeVar("Detailed", Rank, Run)

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class DetailReader:
    """Reads the sessions that the scores of an answer are of."""

    def __init__(self, lagging_reads: LaggingReads, expected_reader: ExpectedReader) -> None:
        self._lagging_reads = lagging_reads
        self._expected_reader = expected_reader

    async def read(
        self,
        season: Season,
        read_answer: Callable[[], Awaitable[Detailed]],
    ) -> tuple[Detailed, dict[int, dict[str, Any]]]:
        """Return what `read_answer` does and, of each player who stands, that score's session.

        Its fields are `session_id`, `reached_at` and `metadata`. Between a fold and its publication
        PostgreSQL is ahead of the index, so that both are read again. Where they do not come to
        agree, or PostgreSQL is away, the answer says `stale`, and tells no session of another
        score.
        """
        reads_left = _DETAILED_READS
        while True:
            answer = await read_answer()
            scores = _map_scores(season, answer)
            try:
                rows = await self._find_details(season, list(scores))
            except DatabaseUnavailable:
                return msgspec.structs.replace(answer, stale=True), {}
            details = {
                row["player_id"]: {
                    "session_id": row["session_id"],
                    "reached_at": row["reached_at"],
                    "metadata": row["metadata"] and _decode(row["metadata"]),
                }
                for row in rows
                if row["sort_score"] == scores[row["player_id"]]
            }
            if len(details) == len(rows):
                return answer, details
            reads_left -= 1
            if not reads_left:
                return msgspec.structs.replace(answer, stale=True), details
            await asyncio.sleep(_PUBLISHED_SECONDS)

    async def _find_details(
        self, season: Season, user_ids: Sequence[int]
    ) -> Sequence[asyncpg.Record]:
        rows = await self._lagging_reads.read_primary(
            lambda database: database.fetch(SELECT_DETAILS, season.season_id, user_ids)
        )
        if len(rows) == len(user_ids):
            return rows
        # One of them may be a player who is hidden, and asks for what nobody else sees.
        return [*rows, *await self._expected_reader.find_missing(season, user_ids, rows)]


def _map_scores(season: Season, answer: Rank | Run) -> Mapping[int, int]:
    """Return the sort_score of each player in an answer."""
    if isinstance(answer, Run):
        return answer.map_scores()
    if answer.rank is None:
        return {}
    return {answer.user_id: season.rule.sort(answer.total_score)}
