"""Making and listing boards, and changing their rules."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Connection, Database, load_sql
from service.boards.errors import (
    BoardArchived,
    BoardChanged,
    BoardExists,
    BoardFilling,
    BoardFixed,
    IfMatchRequired,
    StandingsBehind,
    TooManyBoards,
)
from service.boards.finder import BEFORE_ALL_SLUGS, LIST_BOARDS, find_board
from service.boards.rule import BOARDS_OF_A_SESSION, Rule, count_matching
from service.boards.schemas import (
    EVER,
    BoardAnswer,
    BoardList,
    BoardRule,
    ChangeBoard,
    compare_rules,
    describe_rule,
)
from service.boards.seasons import (
    DROP_COMING_SEASONS,
    DROP_SEASON,
    MOVE_CLOCK_ON,
    READ_LEDGER_TIME,
    LedgerCut,
    add_missed_seasons,
    change_seasons,
    describe_season,
    hold_seasons,
    make_missed_seasons,
    outlast_writers,
    put_next_season,
    put_season,
)
from service.boards.words import GLOBAL_BOARD
from service.errors import refuse_body

LIST_OPEN_BOARDS: Final = load_sql("boards", "list_open_boards")
LIST_COUNTING_RULES: Final = load_sql("boards", "list_counting_rules")
LIST_UNSEALED_SEASONS: Final = load_sql("boards", "list_unsealed_seasons")
READ_SEASON_RULE: Final = load_sql("boards", "read_season_rule")
INSERT_RULE: Final = load_sql("boards", "insert_rule")
INSERT_BOARD: Final = load_sql("boards", "insert_board")
CHANGE_BOARD: Final = load_sql("boards", "change_board")
ARCHIVE_BOARD: Final = load_sql("boards", "archive_board")
READ_CHANGED_PLAYERS: Final = load_sql("boards", "read_changed_players")
UNARCHIVE_BOARD: Final = load_sql("boards", "unarchive_board")
GIVE_SEASON_RULE: Final = load_sql("boards", "give_season_rule")

# Refreshes come to what moderators did within moments; somebody waits for the answer.
_ACTS_SECONDS: Final = 25.0
_ACTS_POLL_SECONDS: Final = 0.05


async def list_boards(database: Database, after: str, limit: int) -> BoardList:
    """Return up to `limit` boards whose slug comes after this one."""
    rows = await database.fetch(LIST_BOARDS, None, after, limit + 1)
    return BoardList(
        boards=[describe_board(row) for row in rows[:limit]],
        next=rows[limit - 1]["slug"] if len(rows) > limit else None,
    )


async def list_open_boards(database: Database, after: str, limit: int) -> list[str]:
    """Return up to `limit` slugs of the boards that count, those that come after this one."""
    return [row["slug"] for row in await database.fetch(LIST_OPEN_BOARDS, after, limit)]


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
    rows = await database.fetch(LIST_BOARDS, slug, BEFORE_ALL_SLUGS, 1)
    if not rows:
        try:
            async with hold_seasons(database) as lease, change_seasons(lease) as connection:
                await _insert_board(connection, slug, title, rule, count_from)
                return await find_board(connection, slug), True
        except asyncpg.UniqueViolationError:
            # Somebody else has made it meanwhile.
            rows = await database.fetch(LIST_BOARDS, slug, BEFORE_ALL_SLUGS, 1)
    differing = compare_rules(
        {"title": rows[0]["title"]} | describe_rule(Rule.of_row(rows[0])),
        {"title": title} | describe_rule(rule),
    )
    if differing:
        raise BoardExists(slug, differing)
    return rows[0], False


async def _check_matching(connection: Connection, *rules: Rule, besides: int | None = None) -> None:
    """Raise `TooManyBoards` where a session would count on too many if a board has these rules."""
    rows = await connection.fetch(LIST_COUNTING_RULES, besides)
    by_board: dict[int, list[Rule]] = {}
    for row in rows:
        by_board.setdefault(row["board_id"], []).append(Rule.of_row(row))
    if any(count_matching(by_board.values(), rule) > BOARDS_OF_A_SESSION for rule in rules):
        raise TooManyBoards


async def _insert_board(
    connection: Connection, slug: str, title: str, rule: Rule, count_from: datetime | None
) -> None:
    rule_id = await connection.fetchval(INSERT_RULE, *rule.columns)
    board_id = await connection.fetchval(INSERT_BOARD, slug, title, rule_id)
    await _check_matching(connection, rule, besides=board_id)
    now = await connection.fetchval(READ_LEDGER_TIME)
    # A clock that is set back later must not make it a board that has not begun.
    await connection.fetch(MOVE_CLOCK_ON, now)
    starts_at: datetime | None = now
    if count_from is not None:
        if count_from > now:
            raise refuse_body("count_from", "Expected a time that is not in the future")
        last_end = rule.schedule.find_last(now) if rule.schedule else None
        asked = None if count_from is EVER else count_from
        starts_at = max((at for at in (asked, last_end) if at), default=None)
    ends_at = rule.find_end(now)
    await put_season(
        connection, board_id, 1, rule_id, starts_at, ends_at, is_filled=count_from is not None
    )
    await put_next_season(connection, board_id, 2, rule_id, rule, ends_at)


@asynccontextmanager
async def hold_board(
    database: Database, slug: str
) -> AsyncIterator[tuple[Connection, asyncpg.Record]]:
    """Lend a connection, inside a transaction, that alone may change a board, and the board's row.

    Seasons that nobody was there to make are made first: the one that is changed has not ended yet,
    and each before it ended when it was to. Raises `BoardNotFound`, `WriterBusy` or
    `DatabaseUnavailable`.
    """
    async with hold_seasons(database) as lease:
        board = await find_board(database, slug)
        while board["is_over"] and board["archived_at"] is None:
            cut = await outlast_writers(database)
            async with change_seasons(lease) as connection:
                await add_missed_seasons(connection, board, cut)
            board = await find_board(database, slug)
        async with change_seasons(lease) as connection:
            yield connection, board


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
    async with hold_board(database, slug) as (connection, board):
        _check_etag(board, if_match)
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
        # A recount changes the open season, if nothing else.
        if recounted or (rule, title) != (before, board["title"]):
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
    season = await connection.fetchrow(READ_SEASON_RULE, board["season_id"])
    assert season is not None
    # By the same schedule it is the same end as before, even if it has just come.
    ends_at = rule.find_end(board["read_at"])
    # One that was begun, for a rule before this one, is not wanted any more.
    await connection.fetch(DROP_SEASON, board_id, -number)
    if rule.counts_like(Rule.of_row(season)) and not season["has_missed"]:
        await connection.fetch(GIVE_SEASON_RULE, board["season_id"], rule_id, ends_at)
    else:
        await connection.fetch(
            GIVE_SEASON_RULE, board["season_id"], board["season_rule_id"], ends_at
        )
        await put_season(
            connection, board_id, -number, rule_id, board["starts_at"], ends_at, is_filled=True
        )
    await put_next_season(connection, board_id, number + 1, rule_id, rule, ends_at)


async def archive_board(
    database: Database, slug: str, if_match: str | None = None
) -> asyncpg.Record:
    """Have a board count nothing from now on; return its row. Again, it changes nothing.

    Of the scores and the acts of moderators before, it shows all: folds count the scores, and the
    acts are waited for. Raises `BoardNotFound`, `BoardFixed`, `BoardChanged`, `BoardFilling`,
    `StandingsBehind`, `WriterBusy` or `DatabaseUnavailable`.
    """
    board = await find_changeable(database, slug)
    if board["archived_at"] is None:
        await _outlast_acts(database)
    async with hold_board(database, slug) as (connection, board):
        _check_etag(board, if_match)
        if board["archived_at"] is None:
            if board["is_filling"]:
                # Nobody would fill it in the archive, and nobody could read it there.
                raise BoardFilling(slug)
            await connection.fetch(ARCHIVE_BOARD, board["board_id"])
        return await find_board(connection, slug)


async def _outlast_acts(database: Database) -> None:
    """Wait until all standings are made again for what moderators have done until now."""
    gives_up_at = time.monotonic() + _ACTS_SECONDS
    last: int | None = None
    while True:
        changed = await database.fetch_one(READ_CHANGED_PLAYERS)
        assert changed is not None
        last = last or changed["last"]
        if last is None or changed["first"] is None or changed["first"] > last:
            return
        if time.monotonic() >= gives_up_at:
            raise StandingsBehind(_ACTS_SECONDS)
        await asyncio.sleep(_ACTS_POLL_SECONDS)


async def unarchive_board(
    database: Database, slug: str, if_match: str | None = None
) -> asyncpg.Record:
    """Have an archived board count again, with all that it missed; return its row.

    Its season is counted anew, and those that should have followed meanwhile are made. Raises
    `TooManyBoards`, with the board as it was, and `BoardChanged`.
    """
    await find_changeable(database, slug)
    async with hold_seasons(database) as lease:
        board = await find_board(database, slug)
        _check_etag(board, if_match)
        if board["archived_at"] is None:
            return board
        # While nobody folds: what is folded of seasons that are not made here would be missed.
        cut = await outlast_writers(database)
        async with change_seasons(lease) as connection:
            board_id, number = board["board_id"], board["number"]
            unsealed = await connection.fetch(LIST_UNSEALED_SEASONS, board_id, number)
            # No session counts by the rule of a season that has ended meanwhile.
            open_again = [
                row for row in unsealed if row["ends_at"] is None or row["ends_at"] > cut.at
            ]
            rules = {Rule.of_row(row) for row in (board, *open_again)}
            await _check_matching(connection, *rules, besides=board_id)
            await connection.fetch(UNARCHIVE_BOARD, board_id)
            await _catch_up(connection, board, unsealed, cut)
            return await find_board(connection, slug)


async def _catch_up(
    connection: Connection,
    board: asyncpg.Record,
    unsealed: Sequence[asyncpg.Record],
    cut: LedgerCut,
) -> None:
    """Have the seasons counted anew that the archive kept from being complete, and all since."""
    board_id, rule = board["board_id"], Rule.of_row(board)
    # One that was over by then may have missed its last sessions. Each is read as it was meanwhile.
    for season in unsealed:
        await connection.fetch(DROP_SEASON, board_id, -season["number"])
        await put_season(
            connection,
            board_id,
            -season["number"],
            season["rule_id"],
            season["starts_at"],
            season["ends_at"],
            is_filled=True,
        )
    number, starts_at = board["number"] + 1, board["ends_at"]
    if starts_at is not None and starts_at <= cut.at:
        await connection.fetch(DROP_COMING_SEASONS, board_id, board["number"])
        number, starts_at = await make_missed_seasons(connection, board, rule, cut, is_filled=True)
        ends_at = rule.find_end(starts_at)
        await put_season(
            connection, board_id, number, board["rule_id"], starts_at, ends_at, is_filled=True
        )
        number, starts_at = number + 1, ends_at
    await put_next_season(connection, board_id, number, board["rule_id"], rule, starts_at)


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


def make_etag(board: asyncpg.Record) -> str:
    """Return the entity tag of a board: another one after each change of it."""
    return f'"{board["board_id"]}-{board["version"]}"'


def _check_etag(board: asyncpg.Record, if_match: str | None) -> None:
    """Compare as RFC 9110, 13.1.1 says, where a tag was sent; a weak one matches none."""
    if if_match is None or if_match.strip() == "*":
        return
    if make_etag(board) not in [tag.strip() for tag in if_match.split(",")]:
        raise BoardChanged(is_etag='"' in if_match)
