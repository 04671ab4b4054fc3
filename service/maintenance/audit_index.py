"""The audit's look at Redis: a season's index, its names and its top against the standings.

A million players are compared without holding anybody up. Those who differ may just have been
changed by a refresh, so they are compared again while the writer lock keeps everything still.
"""

import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import msgspec

from service.backends.database import Connection, load_sql
from service.backends.redis import (
    SeasonKeys,
    decode_member,
    encode_member,
    load_script,
    translate_redis_errors,
)
from service.boards.service import LIST_OPEN_SEASONS
from service.errors import CacheUnavailable
from service.maintenance.connections import LOCK_WAIT_SECONDS, Servers
from service.maintenance.findings import EXAMPLES, Finding, tell_finding
from service.maintenance.progress import Report
from service.standings.index.offset import Offset
from service.standings.locks import hold_writer_lock
from service.standings.schemas import Top
from service.standings.top import select_top

PACK_STANDINGS: Final = load_sql("maintenance", "pack_standings")
PACK_SOME_STANDINGS: Final = load_sql("maintenance", "pack_some_standings")
PACK_NAMES: Final = load_sql("maintenance", "pack_names")
LIST_STRANGERS: Final = load_sql("maintenance", "list_strangers")

# One batch keeps Redis busy for some ten milliseconds.
_PLAYERS_PER_BATCH: Final = 10_000
_MEMBER_BYTES: Final = 8
_PACKED_STANDING: Final = struct.Struct(">qq")

_decode_top = msgspec.json.Decoder(Top).decode


async def audit_index(servers: Servers, report: Report) -> int:
    """Compare the index of every open season with its standings; return how much differs.

    Redis being away is a difference too. Raises `DatabaseUnavailable` or `WriterBusy`.
    """
    differences = 0
    for season in await servers.database.fetch(LIST_OPEN_SEASONS):
        audit = _SeasonAudit(servers, season["season_id"])
        for title, check in (
            ("Index names", audit.check_names),
            ("Index scores", audit.check_scores),
            ("Index offset", audit.check_offset),
            ("Index members", audit.check_members),
            ("Top", audit.check_top),
        ):
            try:
                differences += await tell_finding(report, title, check())
            except CacheUnavailable as error:
                report.write(f"✗ {title}: index not reachable, {error}")
                return differences + 1
    return differences


@dataclass(frozen=True, slots=True)
class _Moment:
    """What Redis holds of a season, and what it must hold, while nobody could write."""

    season: asyncpg.Record
    offset: bytes | str | None
    members: int
    top: bytes | str | None
    expected_top: Top


class _SeasonAudit:
    """The checks of one season's index, in the order in which `audit_index` calls them."""

    def __init__(self, servers: Servers, season_id: int) -> None:
        self._database = servers.database
        self._redis = servers.redis
        self._season_id = season_id
        self._keys = SeasonKeys.of(season_id)
        self._compare_scores = load_script(servers.redis, "maintenance", "compare_scores")
        self._compare_names = load_script(servers.redis, "maintenance", "compare_names")
        self._moment: _Moment | None = None
        self._missing = 0

    async def check_names(self) -> Finding:
        """The names beside the index are those of the players; not all need be there."""
        kept = 0
        wrong: list[str] = []
        async for run in self._scan_standings():
            rows = await self._database.fetch(
                PACK_NAMES, self._season_id, run["first_player_id"], run["last_player_id"]
            )
            with translate_redis_errors():
                found, *ids = await self._compare_names(
                    keys=[self._keys.names_bucket(row["player_id"]) for row in rows],
                    args=[row["packed"] for row in rows],
                )
            kept += found
            wrong += (player_id.decode() for player_id in ids)
        examples = [f"player {player_id}: another name is kept" for player_id in wrong[:EXAMPLES]]
        return self._find(f"{kept:,} kept", len(wrong), examples)

    async def check_scores(self) -> Finding:
        """Every player who stands is in the index with the right score."""
        compared = 0
        suspects = bytearray()
        async for run in self._scan_standings():
            compared += run["standings"]
            missing, differing = await self._compare(run["packed"])
            suspects += missing + differing
        differences = 0
        examples: list[str] = []
        # Once also without a suspect, for the sake of the moment.
        for start in range(0, len(suspects) or 1, _PLAYERS_PER_BATCH * _MEMBER_BYTES):
            batch = bytes(suspects[start : start + _PLAYERS_PER_BATCH * _MEMBER_BYTES])
            async with (
                hold_writer_lock(self._database, wait_seconds=LOCK_WAIT_SECONDS),
                self._database.connect() as connection,
            ):
                if self._moment is None:
                    self._moment = await self._read_moment(connection)
                packed = await connection.fetchval(
                    PACK_SOME_STANDINGS, self._season_id, _decode_members(batch)
                )
                missing, differing = await self._compare(packed or b"")
                wrong = _decode_members(missing + differing)
                examples += await self._describe_scores(packed, wrong[: EXAMPLES - len(examples)])
            self._missing += len(missing) // _MEMBER_BYTES
            differences += len(wrong)
        return self._find(f"{compared:,} compared", differences, examples)

    async def check_offset(self) -> Finding:
        """The index has followed the standings to their last refresh."""
        assert self._moment is not None
        offset = Offset.parse(self._moment.offset)
        expected = Offset.of_season(self._moment.season)
        if offset == expected:
            return self._find(f"at refresh {expected.number}")
        position = "nowhere" if offset is None else offset.position
        return self._find(
            f"at {position}, the standings at {expected.position}: the next refresh rebuilds it",
            differences=1,
        )

    async def check_members(self) -> Finding:
        """Nobody is in the index who does not stand."""
        assert self._moment is not None
        members = self._moment.members
        if members == self._moment.season["players"] - self._missing:
            return self._find(f"{members:,} members")
        strangers = 0
        examples: list[str] = []
        async for batch in self._scan_members():
            players = {decode_member(member): member for member in batch if _is_member(member)}
            rows = await self._database.fetch(LIST_STRANGERS, self._season_id, list(players))
            found = [member for member in batch if not _is_member(member)]
            found += (players[row["player_id"]] for row in rows)
            strangers += len(found)
            examples += (
                f"{_name_member(member)} is in the index and does not stand"
                for member in found[: EXAMPLES - len(examples)]
            )
        return self._find(f"{members:,} members", strangers, examples)

    async def check_top(self) -> Finding:
        """The encoded top in Redis shows the first standings."""
        assert self._moment is not None
        if self._moment.top is None:
            return self._find("none in Redis", differences=1)
        try:
            top = _decode_top(self._moment.top)
        except msgspec.DecodeError as error:
            return self._find(f"not readable: {error}", differences=1)
        expected = self._moment.expected_top
        differing = [
            place
            for place, (left, right) in enumerate(
                zip(top.leaderboard, expected.leaderboard, strict=False), start=1
            )
            if left != right
        ]
        examples = [f"line {place} differs" for place in differing]
        if len(top.leaderboard) != len(expected.leaderboard):
            examples.append(
                f"{len(top.leaderboard)} entries instead of {len(expected.leaderboard)}"
            )
        if top.players != expected.players:
            examples.append(f"{top.players:,} players instead of {expected.players:,}")
        return self._find(f"{len(top.leaderboard)} entries", len(examples), examples[:EXAMPLES])

    async def _read_moment(self, connection: Connection) -> _Moment:
        seasons = await connection.fetch(LIST_OPEN_SEASONS)
        season = next(row for row in seasons if row["season_id"] == self._season_id)
        with translate_redis_errors():
            offset, top = await self._redis.mget(self._keys.offset, self._keys.top)
            members = await self._redis.zcard(self._keys.index)
        expected_top = await select_top(
            connection,
            self._season_id,
            players=season["players"],
            as_of=Offset.of_season(season).as_of,
        )
        return _Moment(season, offset, members, top, expected_top)

    async def _describe_scores(self, packed: bytes, player_ids: list[int]) -> list[str]:
        if not player_ids:
            return []
        sort_scores: dict[int, int] = dict(_PACKED_STANDING.iter_unpack(packed))
        # The client's types know members as text only.
        members: list[Any] = [encode_member(player_id) for player_id in player_ids]
        with translate_redis_errors():
            stored = await self._redis.zmscore(self._keys.index, members)
        return [
            f"player {player_id}: sort_score {sort_scores[player_id]}, "
            + ("not in the index" if score is None else f"in the index {float(score):.0f}")
            for player_id, score in zip(player_ids, stored, strict=True)
        ]

    async def _scan_standings(self) -> AsyncIterator[asyncpg.Record]:
        """Yield all standings in packed runs (pack_standings.sql), each as it is by then."""
        last_player_id = 0
        while True:
            run = await self._database.fetch_one(
                PACK_STANDINGS, self._season_id, last_player_id, _PLAYERS_PER_BATCH
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

    async def _compare(self, packed: bytes) -> tuple[bytes, bytes]:
        with translate_redis_errors():
            missing, differing = await self._compare_scores(keys=[self._keys.index], args=[packed])
        return missing, differing

    def _find(self, facts: str, differences: int = 0, examples: Sequence[str] = ()) -> Finding:
        return Finding(f"season {self._season_id}, {facts}", differences, examples)


def _decode_members(packed: bytes) -> list[int]:
    return [
        decode_member(packed[at : at + _MEMBER_BYTES])
        for at in range(0, len(packed), _MEMBER_BYTES)
    ]


def _is_member(member: bytes) -> bool:
    """Tell whether these bytes can be a player: the id of one is positive and has 64 bits."""
    return len(member) == _MEMBER_BYTES and member[0] < 0x80


def _name_member(member: bytes) -> str:
    return f"player {decode_member(member)}" if _is_member(member) else repr(member)
