"""Making boards, changing their rules and listing their seasons."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import islice
from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Connection, Database, load_sql
from service.backends.locks import hold_writer_lock
from service.boards.errors import (
    BoardArchived,
    BoardChanged,
    BoardExists,
    BoardFixed,
    BoardNotFound,
    IfMatchRequired,
    SeasonNotFound,
    TooManyBoards,
)
from service.boards.finder import GLOBAL_BOARD
from service.boards.rule import BOARDS_OF_A_SESSION, Rule, count_matching
from service.boards.schemas import (
    EVER,
    BoardAnswer,
    BoardList,
    BoardRule,
    ChangeBoard,
    SeasonAnswer,
    SeasonList,
    compare_rules,
    describe_rule,
)
from service.errors import refuse_body

LIST_BOARDS: Final = load_sql("boards", "list_boards")
LIST_OPEN_BOARDS: Final = load_sql("boards", "list_open_boards")
LIST_SEASONS: Final = load_sql("boards", "list_seasons")
LIST_COUNTING_RULES: Final = load_sql("boards", "list_counting_rules")
LIST_UNSEALED_SEASONS: Final = load_sql("boards", "list_unsealed_seasons")
READ_SEASON_RULE: Final = load_sql("boards", "read_season_rule")
READ_LEDGER_TIME: Final = load_sql("boards", "read_ledger_time")
INSERT_RULE: Final = load_sql("boards", "insert_rule")
INSERT_BOARD: Final = load_sql("boards", "insert_board")
CHANGE_BOARD: Final = load_sql("boards", "change_board")
ARCHIVE_BOARD: Final = load_sql("boards", "archive_board")
UNARCHIVE_BOARD: Final = load_sql("boards", "unarchive_board")
PUT_SEASON: Final = load_sql("boards", "put_season")
PUT_MISSED_SEASONS: Final = load_sql("boards", "put_missed_seasons")
FIND_PENDING_PLACES: Final = load_sql("boards", "find_pending_places")
FIND_LEDGER_PLACES: Final = load_sql("boards", "find_ledger_places")
MOVE_CLOCK_ON: Final = load_sql("boards", "move_clock_on")
LIST_LEDGER_WRITERS: Final = load_sql("boards", "list_ledger_writers")
GIVE_SEASON_RULE: Final = load_sql("boards", "give_season_rule")
DROP_SEASON: Final = load_sql("boards", "drop_season")
DROP_COMING_SEASONS: Final = load_sql("boards", "drop_coming_seasons")
NOTE_SEASONS: Final = load_sql("boards", "note_seasons")

# The writer gives way every two seconds; one that is frozen loses its lock after twenty.
_LOCK_WAIT_SECONDS: Final = 25.0

# A year of a season a minute is three statements; the next fold waits for them.
_MISSED_AT_ONCE: Final = 200_000
_MISSED_SECONDS: Final = 300.0
# For so few the ledger is not read as a whole to know which of them have sessions.
_FEW_MISSED: Final = 10
_WRITERS_POLL_SECONDS: Final = 0.01

_LARGEST_NUMBER: Final = 2**31 - 1
_BEFORE_ALL_SLUGS: Final = ""


@asynccontextmanager
async def hold_seasons(database: Database) -> AsyncIterator[Connection]:
    """Lend a connection, inside a transaction, that alone may change what folds count.

    A score that is folded just before a season is there would be missed by it. Raises `WriterBusy`
    or `DatabaseUnavailable`.
    """
    async with (
        hold_writer_lock(database, wait_seconds=_LOCK_WAIT_SECONDS),
        database.transaction() as connection,
    ):
        yield connection
        await connection.fetch(NOTE_SEASONS)


async def list_boards(database: Database, after: str, limit: int) -> BoardList:
    """Return up to `limit` boards whose slug comes after this one."""
    rows = await database.fetch(LIST_BOARDS, None, after, limit + 1)
    return BoardList(
        boards=[describe_board(row) for row in rows[:limit]],
        next=rows[limit - 1]["slug"] if len(rows) > limit else None,
    )


async def list_open_boards(database: Database) -> list[str]:
    """Return the slugs of the boards that count, by slug."""
    return [row["slug"] for row in await database.fetch(LIST_OPEN_BOARDS)]


async def find_board(database: "Database | Connection", slug: str) -> asyncpg.Record:
    """Return a board's row (list_boards.sql); raises `BoardNotFound`."""
    rows = await database.fetch(LIST_BOARDS, slug, _BEFORE_ALL_SLUGS, 1)
    if not rows:
        raise BoardNotFound(slug)
    return rows[0]


async def list_seasons(database: Database, slug: str, before: int, limit: int) -> SeasonList:
    """Return up to `limit` seasons of a board before this number, newest first."""
    board = await find_board(database, slug)
    rows = await database.fetch(LIST_SEASONS, board["board_id"], None, before, limit + 1)
    return SeasonList(
        seasons=[describe_season(row) for row in rows[:limit]],
        next=str(rows[limit - 1]["number"]) if len(rows) > limit else None,
    )


async def read_season(database: "Database | Connection", slug: str, number: int) -> SeasonAnswer:
    """Return a season that has begun; raises `BoardNotFound` or `SeasonNotFound`."""
    board = await find_board(database, slug)
    if number <= _LARGEST_NUMBER:
        rows = await database.fetch(LIST_SEASONS, board["board_id"], number, _LARGEST_NUMBER, 1)
        if rows:
            return describe_season(rows[0])
    raise SeasonNotFound(slug, str(number))


async def create_board(
    database: Database, slug: str, wanted: BoardRule
) -> tuple[asyncpg.Record, bool]:
    """Make a board and its first season; return its row, and whether it is new.

    The same rule again, whatever its `count_from`, changes nothing. Raises `InvalidRequest`,
    `BoardExists`, `BoardFixed`, `TooManyBoards`, `WriterBusy` or `DatabaseUnavailable`.
    """
    if slug == GLOBAL_BOARD:
        raise BoardFixed
    rule, count_from, title = wanted.to_rule(), wanted.read_count_from(), wanted.title or slug
    rows = await database.fetch(LIST_BOARDS, slug, _BEFORE_ALL_SLUGS, 1)
    if not rows:
        async with hold_seasons(database) as connection:
            rows = await connection.fetch(LIST_BOARDS, slug, _BEFORE_ALL_SLUGS, 1)
            if not rows:
                await _check_matching(connection, rule)
                await _insert_board(connection, slug, title, rule, count_from)
                return await find_board(connection, slug), True
    differing = compare_rules(
        {"title": rows[0]["title"]} | describe_rule(Rule.of_row(rows[0])),
        {"title": title} | describe_rule(rule),
    )
    if differing:
        raise BoardExists(slug, differing)
    return rows[0], False


async def _check_matching(
    connection: Connection, rule: Rule, *, besides: int | None = None
) -> None:
    rows = await connection.fetch(LIST_COUNTING_RULES, besides)
    by_board: dict[int, list[Rule]] = {}
    for row in rows:
        by_board.setdefault(row["board_id"], []).append(Rule.of_row(row))
    if count_matching(by_board.values(), rule) > BOARDS_OF_A_SESSION:
        raise TooManyBoards


async def _insert_board(
    connection: Connection, slug: str, title: str, rule: Rule, count_from: datetime | None
) -> None:
    now = await connection.fetchval(READ_LEDGER_TIME)
    starts_at: datetime | None = now
    if count_from is not None:
        if count_from > now:
            raise refuse_body("count_from", "Expected a time that is not in the future")
        last_end = rule.schedule.find_last(now) if rule.schedule else None
        asked = None if count_from is EVER else count_from
        starts_at = max((at for at in (asked, last_end) if at), default=None)
    rule_id = await connection.fetchval(INSERT_RULE, *rule.columns)
    board_id = await connection.fetchval(INSERT_BOARD, slug, title, rule_id)
    ends_at = rule.schedule.find_next(now) if rule.schedule else None
    await _put_season(
        connection, board_id, 1, rule_id, starts_at, ends_at, is_filled=count_from is not None
    )
    await put_next_season(connection, board_id, 2, rule_id, rule, ends_at)


async def put_next_season(
    connection: Connection,
    board_id: int,
    number: int,
    rule_id: int,
    rule: Rule,
    starts_at: datetime | None,
) -> None:
    """Have the season that begins where the one before ends; none where that has no end."""
    if starts_at is None:
        await connection.fetch(DROP_COMING_SEASONS, board_id, number - 1)
        return
    ends_at = rule.schedule.find_next(starts_at) if rule.schedule else None
    await _put_season(connection, board_id, number, rule_id, starts_at, ends_at)


async def _put_season(
    connection: Connection,
    board_id: int,
    number: int,
    rule_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
    *,
    is_filled: bool = False,
) -> None:
    await connection.fetch(PUT_SEASON, board_id, number, rule_id, starts_at, ends_at, is_filled)


async def change_board(
    database: Database, slug: str, if_match: str | None, change: ChangeBoard
) -> asyncpg.Record:
    """Change a board's title and rule; return its row.

    Raises `BoardNotFound`, `BoardFixed`, `IfMatchRequired`, `BoardChanged`, `BoardArchived`,
    `InvalidRequest`, `TooManyBoards`, `WriterBusy` or `DatabaseUnavailable`.
    """
    await find_changeable(database, slug)
    if if_match is None:
        raise IfMatchRequired
    async with hold_seasons(database) as connection:
        board = await find_board(connection, slug)
        if not _matches(if_match, make_etag(board)):
            raise BoardChanged(is_etag='"' in if_match)
        recounted = change.apply == "recount"
        if recounted and board["archived_at"] is not None:
            raise BoardArchived(slug)
        before = Rule.of_row(board)
        rule = change.change(before)
        title = board["title"] if change.title is msgspec.UNSET else change.title
        rule_id = board["rule_id"]
        if rule != before:
            if board["archived_at"] is None:
                await _check_matching(connection, rule, besides=board["board_id"])
            rule_id = await connection.fetchval(INSERT_RULE, *rule.columns)
        if (rule, title) != (before, board["title"]):
            await connection.fetch(CHANGE_BOARD, board["board_id"], title, rule_id)
        if recounted:
            await _recount(connection, board, rule_id, rule)
        elif rule != before:
            await put_next_season(
                connection, board["board_id"], board["number"] + 1, rule_id, rule, board["ends_at"]
            )
        return await find_board(connection, slug)


async def _recount(connection: Connection, board: asyncpg.Record, rule_id: int, rule: Rule) -> None:
    """Give the open season a rule, and its standings made anew where that counts otherwise."""
    board_id, number = board["board_id"], board["number"]
    before = Rule.of_row(await connection.fetchrow(READ_SEASON_RULE, board["season_id"]))
    # By the same schedule it is the same end as before.
    now = await connection.fetchval(READ_LEDGER_TIME)
    ends_at = rule.schedule.find_next(now) if rule.schedule else None
    # One that was begun, for a rule before this one, is not wanted any more.
    await connection.fetch(DROP_SEASON, board_id, -number)
    if rule.counts_like(before):
        await connection.fetch(GIVE_SEASON_RULE, board["season_id"], rule_id, ends_at)
    else:
        await connection.fetch(
            GIVE_SEASON_RULE, board["season_id"], board["season_rule_id"], ends_at
        )
        await _put_season(
            connection, board_id, -number, rule_id, board["starts_at"], ends_at, is_filled=True
        )
    await put_next_season(connection, board_id, number + 1, rule_id, rule, ends_at)


async def archive_board(database: Database, slug: str) -> asyncpg.Record:
    """Have a board count nothing from now on; return its row. Again, it changes nothing."""
    await find_changeable(database, slug)
    async with hold_seasons(database) as connection:
        board = await find_board(connection, slug)
        if board["archived_at"] is None:
            await connection.fetch(ARCHIVE_BOARD, board["board_id"])
        return await find_board(connection, slug)


async def unarchive_board(database: Database, slug: str) -> asyncpg.Record:
    """Have an archived board count again, with all that it missed; return its row.

    Its season is counted anew, and those that should have followed meanwhile are made. Raises
    `TooManyBoards`, with the board as it was.
    """
    board = await find_changeable(database, slug)
    now, is_settled = await outlast_writers(database)
    async with hold_seasons(database) as connection:
        board = await find_board(connection, slug)
        if board["archived_at"] is None:
            return board
        rule = Rule.of_row(board)
        await _check_matching(connection, rule, besides=board["board_id"])
        await connection.fetch(UNARCHIVE_BOARD, board["board_id"])
        await _catch_up(connection, board, rule, now, is_settled=is_settled)
        return await find_board(connection, slug)


async def _catch_up(
    connection: Connection, board: asyncpg.Record, rule: Rule, now: datetime, *, is_settled: bool
) -> None:
    """Have the seasons counted anew that the archive kept from being complete, and all since."""
    board_id = board["board_id"]
    # One that was over by then may have missed its last sessions. Each is read as it was meanwhile.
    for season in await connection.fetch(LIST_UNSEALED_SEASONS, board_id, board["number"]):
        await connection.fetch(DROP_SEASON, board_id, -season["number"])
        await _put_season(
            connection,
            board_id,
            -season["number"],
            season["rule_id"],
            season["starts_at"],
            season["ends_at"],
            is_filled=True,
        )
    number, starts_at = board["number"] + 1, board["ends_at"]
    if starts_at is not None and starts_at <= now:
        await connection.fetch(DROP_COMING_SEASONS, board_id, board["number"])
        number, starts_at = await make_missed_seasons(
            connection, board, rule, now, is_filled=True, is_settled=is_settled
        )
        ends_at = rule.schedule.find_next(starts_at) if rule.schedule else None
        await _put_season(
            connection, board_id, number, board["rule_id"], starts_at, ends_at, is_filled=True
        )
        number, starts_at = number + 1, ends_at
    await put_next_season(connection, board_id, number, board["rule_id"], rule, starts_at)


async def outlast_writers(database: Database) -> tuple[datetime, bool]:
    """Have no session be dated before this moment any more; return that moment.

    And whether this is shown: nobody who may still write one of before was left after a second.
    """
    row = await database.fetch_one(READ_LEDGER_TIME)
    assert row is not None
    await database.fetch(MOVE_CLOCK_ON, row["now"])
    return row["now"], await wait_for_writers(database)


async def wait_for_writers(database: Database, seconds: float = 1.0) -> bool:
    """Wait until all who may be writing sessions now are done; return False where one is not.

    They hold the lock of `ledger_time()`; who takes it from now on is not waited for.
    """
    gives_up_at = time.monotonic() + seconds
    writers = {row["transaction"] for row in await database.fetch(LIST_LEDGER_WRITERS)}
    while writers and time.monotonic() < gives_up_at:
        await asyncio.sleep(_WRITERS_POLL_SECONDS)
        writers &= {row["transaction"] for row in await database.fetch(LIST_LEDGER_WRITERS)}
    return not writers


async def make_missed_seasons(
    connection: Connection,
    board: asyncpg.Record,
    rule: Rule,
    until: datetime,
    *,
    is_filled: bool,
    is_settled: bool,
) -> tuple[int, datetime]:
    """Make the seasons of a board that have come and gone since the one in its row ended.

    In a year of a season a minute these are half a million: those without a session are closed as
    they are made, where it `is_settled` that none can come (`outlast_writers`). Returns number and
    beginning of the season after them.
    """
    number, starts_at = board["number"] + 1, board["ends_at"]
    if rule.schedule is None:
        return number, starts_at
    ends = rule.schedule.list_ends(starts_at, until)
    # Half a second of work, which must not keep others waiting.
    while some := await asyncio.to_thread(lambda: list(islice(ends, _MISSED_AT_ONCE))):
        bounds = [starts_at, *some]
        if not is_filled:
            places = await connection.fetchval(FIND_PENDING_PLACES, bounds, timeout=_MISSED_SECONDS)
        elif len(some) > _FEW_MISSED:
            places = await connection.fetchval(
                FIND_LEDGER_PLACES, bounds, board["rule_id"], timeout=_MISSED_SECONDS
            )
        else:
            places = list(range(1, len(bounds)))
        await connection.fetch(
            PUT_MISSED_SEASONS,
            board["board_id"],
            number,
            board["rule_id"],
            bounds,
            places,
            is_filled,
            is_settled,
            timeout=_MISSED_SECONDS,
        )
        number, starts_at = number + len(some), some[-1]
    return number, starts_at


async def find_changeable(database: Database, slug: str) -> asyncpg.Record:
    """Return a board's row; raises `BoardNotFound`, and `BoardFixed` for the board `global`."""
    if slug == GLOBAL_BOARD:
        raise BoardFixed
    return await find_board(database, slug)


def describe_board(row: asyncpg.Record) -> BoardAnswer:
    """Return what the API says of a board."""
    season = describe_season(row)
    state: Any = "open"
    if row["archived_at"] is not None:
        state = "archived"
    elif row["is_filling"]:
        state = "filling"
    return BoardAnswer(
        slug=row["slug"],
        title=row["title"],
        **describe_rule(Rule.of_row(row)),
        state=state,
        season=season,
        players=season.players,
        created_at=row["created_at"],
        applies_from_season=row["applies_from_season"] or msgspec.UNSET,
    )


def describe_season(row: asyncpg.Record) -> SeasonAnswer:
    """Return what the API says of a season."""
    state: Any = "open"
    if row["closed_at"] is not None:
        state = "closed"
    elif row["is_over"]:
        state = "ending"
    return SeasonAnswer(
        number=row["number"],
        state=state,
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
        closed_at=row["closed_at"],
        players=row["players"],
        revision=row["revision"],
    )


def make_etag(board: asyncpg.Record) -> str:
    """Return the entity tag of a board: another one after each change of it."""
    return f'"{board["board_id"]}-{board["version"]}"'


def _matches(if_match: str, etag: str) -> bool:
    """Compare as RFC 9110, 13.1.1 says; a weak tag matches none."""
    return if_match.strip() == "*" or etag in [tag.strip() for tag in if_match.split(",")]
