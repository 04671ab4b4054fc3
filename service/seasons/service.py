"""Ending a season by hand."""

from typing import Final

import asyncpg

from service.backends.database import Database, load_sql
from service.boards.errors import BoardArchived, BoardFilling
from service.boards.finder import find_board
from service.boards.rule import Rule
from service.boards.schemas import SeasonAnswer
from service.boards.seasons import put_next_season, read_season_answer
from service.boards.service import find_changeable, hold_board

END_SEASON: Final = load_sql("seasons", "end_season")


async def end_current_season(
    database: Database, slug: str, number: int | None = None
) -> asyncpg.Record:
    """End a board's season at this instant, at which the next begins; return the board's row.

    With a number, only while that is the current one. Its result is stored by the workers, once all
    its sessions are counted. Raises `BoardNotFound`, `BoardFixed`, `BoardArchived`, `BoardFilling`,
    `WriterBusy` or `DatabaseUnavailable`.
    """
    await find_changeable(database, slug)
    async with hold_board(database, slug) as (connection, board):
        if number not in (None, board["number"]):
            return board
        if board["archived_at"] is not None:
            raise BoardArchived(slug)
        if board["is_filling"]:
            raise BoardFilling(slug)
        ends_at = await connection.fetchval(END_SEASON, board["season_id"])
        rule = Rule.of_row(board)
        await put_next_season(
            connection, board["board_id"], board["number"] + 1, board["rule_id"], rule, ends_at
        )
    return await find_board(database, slug)


async def end_season(database: Database, slug: str, number: int) -> SeasonAnswer:
    """End a season of a board now, unless it is over already; return it as it is then.

    So it may be asked again, where an answer was lost. Raises `SeasonNotFound` for one that has not
    begun, and what `end_current_season` does.
    """
    season = await read_season_answer(database, slug, number)
    if season.state != "open":
        return season
    await end_current_season(database, slug, number)
    return await read_season_answer(database, slug, number)
