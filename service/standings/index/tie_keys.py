"""Tie keys beside an index, by player: where equal scores go by them, a member begins with one."""

from redis.asyncio import Redis

from service.backends.redis import SeasonKeys, load_script, translate_redis_errors


class TieKeys:
    """Compares the tie keys that Redis holds. Raises `CacheUnavailable` where it is away."""

    def __init__(self, redis: Redis) -> None:
        self._find_wrong = load_script(redis, "standings/index", "find_wrong_ties", "tie_keys")

    async def find_wrong(self, season_id: int, packed: bytes) -> bytes:
        """Return the members, one after the other, of standings of which another is kept, or none.

        The standings are packed as in scan_standings.sql.
        """
        with translate_redis_errors():
            wrong: bytes = await self._find_wrong(
                keys=[SeasonKeys.of(season_id).ties], args=[packed]
            )
        return wrong
