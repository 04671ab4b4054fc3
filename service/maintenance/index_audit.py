"""The audit of an index: whether Redis holds what the standings of a season say.

It is compared without blocking anybody: a player who differs may just have been changed by a
refresh, so those few are compared again while the writer lock keeps everything still.
"""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Connection, load_sql
from service.backends.redis import (
    SeasonKeys,
    decode_member,
    find_names_bucket,
    load_script,
    translate_redis_errors,
)
from service.boards.finder import name_season
from service.errors import CacheUnavailable
from service.maintenance.connections import Connections
from service.maintenance.report import EXAMPLES, Finding, Report
from service.standings.index.offset import Offset
from service.standings.index.tie_keys import TieKeys
from service.standings.index.writer import SeasonClosed, read_season
from service.standings.run import Run
from service.standings.top import select_top

PACK_STANDINGS: Final = load_sql("maintenance", "pack_standings")
PACK_SOME_STANDINGS: Final = load_sql("maintenance", "pack_some_standings")
PACK_NAMES: Final = load_sql("maintenance", "pack_names")
LIST_PLAYERS_WITHOUT_STANDING: Final = load_sql("maintenance", "list_players_without_standing")

# One batch keeps Redis busy for some ten milliseconds.
_PLAYERS_PER_BATCH: Final = 10_000
_ID_BYTES: Final = 8
_SCORE: Final = struct.Struct(">q")
_WRONG_TYPE: Final = "WRONGTYPE"

_decode_top = msgspec.json.Decoder(Run).decode


async def audit_index(
    connections: Connections, report: Report, seasons: Iterable[asyncpg.Record]
) -> int:
    """Compare the index of open seasons with their standings; return how many differences.

    The seasons are rows of list_open_seasons.sql. One that has closed since is left out.

    Raises `CacheUnavailable`, `DatabaseUnavailable` or `WriterBusy`.
    """
    differences = 0
    for season in seasons:
        audit = _IndexAudit(connections, season)
        for title, check in (
            ("Index names", audit.check_names),
            ("Index scores", audit.check_scores),
            ("Index offset", audit.check_offset),
            ("Index members", audit.check_members),
            ("Top", audit.check_top),
        ):
            try:
                differences += await report.check(title, check())
            except CacheUnavailable as error:
                if not str(error.__cause__).startswith(_WRONG_TYPE):
                    report.fail(title, "not compared")
                    raise
                # Redis answers, and holds what nobody of ours has put there.
                report.fail(title, f"{audit.name}: {error.__cause__}")
                differences += 1
                break
            except SeasonClosed:
                report.write(f"{title}: {audit.name}: closed or counted anew meanwhile, left out")
                break
    return differences


@dataclass(frozen=True, slots=True)
class _IndexState:
    """What Redis holds of a season and what it should hold, read under the writer lock."""

    season: asyncpg.Record
    offset: bytes | str | None
    members: int
    tie_keys: int
    top: bytes | str | None
    expected_top: Run


class _IndexAudit:
    """The checks of one season's index, in the order in which `audit_index` calls them."""

    def __init__(self, connections: Connections, season: asyncpg.Record) -> None:
        self._connections = connections
        self._database = connections.database
        self._redis = connections.redis
        self._season_id = season["season_id"]
        self.name = name_season(season["slug"], season["season_number"])
        self._is_first = season["is_first"]
        self._member_bytes = 2 * _ID_BYTES if self._is_first else _ID_BYTES
        self._keys = SeasonKeys.of(self._season_id)
        self._compare_scores = load_script(connections.redis, "maintenance", "compare_scores")
        self._compare_names = load_script(connections.redis, "maintenance", "compare_names")
        self._tie_keys = TieKeys(connections.redis)
        self._state: _IndexState | None = None
        self._missing = 0

    async def check_names(self) -> Finding:
        """The names beside the index are those of the players; some may be missing."""
        kept = 0
        wrong: list[str] = []
        async for run in self._scan_standings():
            rows = await self._database.fetch(
                PACK_NAMES, self._season_id, run["first_player_id"], run["last_player_id"]
            )
            with translate_redis_errors():
                found, *ids = await self._compare_names(
                    keys=[find_names_bucket(row["player_id"]) for row in rows],
                    args=[row["packed"] for row in rows],
                )
            kept += found
            wrong += (player_id.decode() for player_id in ids)
        examples = [f"player {player_id}: another name is kept" for player_id in wrong[:EXAMPLES]]
        return self._found(f"{kept:,} kept", len(wrong), examples)

    async def check_scores(self) -> Finding:
        """Every player with a standing is in the index with the right score, and found there."""
        compared = 0
        suspects = bytearray()
        async for run in self._scan_standings():
            compared += run["standings"]
            suspects += b"".join(await self._compare(run["packed"]))
        differences = 0
        examples: list[str] = []
        # At least once: it reads the state that the checks after this one need.
        for start in range(0, len(suspects) or 1, _PLAYERS_PER_BATCH * self._member_bytes):
            batch = bytes(suspects[start : start + _PLAYERS_PER_BATCH * self._member_bytes])
            async with (
                self._connections.hold_writer_lock(),
                self._database.connect() as connection,
            ):
                season = await read_season(connection, self._season_id)
                if self._state is None:
                    self._state = await self._read_state(connection, season)
                packed = await connection.fetchval(
                    PACK_SOME_STANDINGS,
                    self._season_id,
                    [decode_member(member) for member in self._split(batch)],
                    self._is_first,
                )
                missing, differing, unfound = await self._compare(packed or b"")
                wrong = list(dict.fromkeys(self._split(missing + differing + unfound)))
                examples += await self._describe_scores(packed, wrong[: EXAMPLES - len(examples)])
            self._missing += len(missing) // self._member_bytes
            differences += len(wrong)
        return self._found(f"{compared:,} compared", differences, examples)

    async def check_offset(self) -> Finding:
        """The index has followed the standings to their last refresh, and its tie keys have."""
        state = self._state
        assert state is not None
        offset = Offset.parse(state.offset)
        expected = Offset.of_season(state.season)
        if offset == expected and self._is_first and state.tie_keys != state.members:
            return self._found(
                f"{state.tie_keys:,} tie keys of {state.members:,} members: "
                "the next refresh rebuilds it",
                differences=1,
            )
        if offset == expected:
            return self._found(f"at refresh {expected.number}")
        position = "nowhere" if offset is None else offset.position
        return self._found(
            f"at {position}, the standings at {expected.position}: the next refresh rebuilds it",
            differences=1,
        )

    async def check_members(self) -> Finding:
        """Every player in the index has a standing."""
        assert self._state is not None
        members = self._state.members
        if members == self._state.season["players"] - self._missing:
            return self._found(f"{members:,} members")
        unknown = 0
        examples: list[str] = []
        async for batch in self._scan_members():
            players = {decode_member(member): member for member in batch if self._is_member(member)}
            rows = await self._database.fetch(
                LIST_PLAYERS_WITHOUT_STANDING, self._season_id, list(players)
            )
            found = [member for member in batch if not self._is_member(member)]
            found += (players[row["player_id"]] for row in rows)
            unknown += len(found)
            examples += (
                f"{self._describe(member)} is in the index and does not stand"
                for member in found[: EXAMPLES - len(examples)]
            )
        return self._found(f"{members:,} members", unknown, examples)

    async def check_top(self) -> Finding:
        """The encoded top in Redis, there if somebody reads it, shows the first players."""
        assert self._state is not None
        if self._state.top is None:
            return self._found("nobody reads it")
        try:
            top = _decode_top(self._state.top)
        except msgspec.DecodeError as error:
            return self._found(f"not readable: {error}", differences=1)
        expected = self._state.expected_top
        lines, expected_lines = _list_lines(top), _list_lines(expected)
        examples = [
            f"line {place} differs"
            for place, (left, right) in enumerate(zip(lines, expected_lines, strict=False), start=1)
            if left != right
        ]
        if len(lines) != len(expected_lines):
            examples.append(f"{len(lines)} entries instead of {len(expected_lines)}")
        if top.players != expected.players:
            examples.append(f"{top.players:,} players instead of {expected.players:,}")
        return self._found(f"{len(lines)} entries", len(examples), examples[:EXAMPLES])

    async def _read_state(self, connection: Connection, season: asyncpg.Record) -> _IndexState:
        with translate_redis_errors():
            offset, top = await self._redis.mget(self._keys.offset, self._keys.top)
            members = await self._redis.zcard(self._keys.index)
            tie_keys = int(await self._redis.hget(self._keys.ties, "players") or 0)
        expected_top = await select_top(
            connection,
            self._season_id,
            players=season["players"],
            as_of=Offset.of_season(season).as_of,
        )
        return _IndexState(season, offset, members, tie_keys, top, expected_top)

    async def _describe_scores(self, packed: bytes, members: list[bytes]) -> list[str]:
        if not members:
            return []
        width = self._member_bytes + _SCORE.size
        sort_scores = {
            packed[at : at + self._member_bytes]: _SCORE.unpack_from(
                packed, at + width - _SCORE.size
            )
            for at in range(0, len(packed), width)
        }
        # The client's types know members as text only.
        asked: list[Any] = members
        with translate_redis_errors():
            stored = await self._redis.zmscore(self._keys.index, asked)
        return [
            f"player {decode_member(member)}: {_describe_score(sort_scores[member][0], score)}"
            for member, score in zip(members, stored, strict=True)
        ]

    async def _scan_standings(self) -> AsyncIterator[asyncpg.Record]:
        """Yield all standings in packed runs (pack_standings.sql), each as it is when read."""
        last_player_id = 0
        while True:
            run = await self._database.fetch_one(
                PACK_STANDINGS,
                self._season_id,
                last_player_id,
                _PLAYERS_PER_BATCH,
                self._is_first,
            )
            assert run is not None
            if not run["standings"]:
                return
            last_player_id = run["last_player_id"]
            yield run

    async def _scan_members(self) -> AsyncIterator[list[bytes]]:
        cursor = 0
        while True:
            with translate_redis_errors():
                cursor, scored = await self._redis.zscan(
                    self._keys.index, cursor, count=_PLAYERS_PER_BATCH
                )
            yield [member for member, _ in scored if isinstance(member, bytes)]
            if not cursor:
                return

    async def _compare(self, packed: bytes) -> tuple[bytes, bytes, bytes]:
        """Return the members that are missing, differ, or are not found by their players."""
        with translate_redis_errors():
            missing, differing = await self._compare_scores(
                keys=[self._keys.index], args=[packed, self._member_bytes]
            )
        unfound = b""
        if self._is_first:
            unfound = await self._tie_keys.find_wrong(self._season_id, packed)
        return missing, differing, unfound

    def _split(self, packed: bytes) -> list[bytes]:
        return [
            packed[at : at + self._member_bytes] for at in range(0, len(packed), self._member_bytes)
        ]

    def _is_member(self, member: bytes) -> bool:
        """Return whether these bytes can be a player: an id is positive and has 64 bits."""
        return len(member) == self._member_bytes and member[-_ID_BYTES] < 0x80

    def _describe(self, member: bytes) -> str:
        return f"player {decode_member(member)}" if self._is_member(member) else repr(member)

    def _found(self, facts: str, differences: int = 0, examples: Sequence[str] = ()) -> Finding:
        return Finding(f"{self.name}: {facts}", differences, examples)


def _describe_score(sort_score: int, stored: float | None) -> str:
    if stored is None:
        return f"sort_score {sort_score}, not in the index"
    if float(stored) == sort_score:
        return "in the index, and not found there by its tie key"
    return f"sort_score {sort_score}, in the index {float(stored):.0f}"


def _list_lines(top: Run) -> list[tuple[Any, ...]]:
    return list(
        zip(top.user_ids, top.usernames, top.sort_scores, top.tie_keys, top.ranks, strict=True)
    )
