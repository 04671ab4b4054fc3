-- The ranks that those who scored lately had at the last re-rank: only who scored since has climbed by
-- more than the falls of others.
--
-- $1 season, $2 how many of the newest sessions are looked at, $3 by how many seconds a session may be
-- older than the re-rank that did not count it. Answers one row: when that re-rank was, null before the
-- first; whether these sessions reach back to it; the players who had a rank then, and these ranks.
--
-- Index: game_session_id, whose runs of pages that may hold these ids are read, new ones being in the
-- last; rank_block_pkey, a probe a player, by a lateral subquery that cannot become a scan. The caller
-- turns scans of the whole table and of the whole primary key off.
WITH begin AS MATERIALIZED (
    SELECT
        reranked_at,
        reranked_at - make_interval(secs => $3 + rerank_ms / 1000) AS looks_from,
        highest_session_id() - $2 AS after_id
    FROM database_state
),
newest AS MATERIALIZED (
    SELECT id, player_id, submitted_at FROM game_session WHERE id > (SELECT after_id FROM begin)
),
scored AS MATERIALIZED (
    SELECT DISTINCT player_id FROM newest WHERE submitted_at >= (SELECT looks_from FROM begin)
),
ranked AS MATERIALIZED (
    SELECT scored.player_id, stored.rank
    FROM scored
    CROSS JOIN LATERAL (
        SELECT ranks[array_position(players, (scored.player_id & 255)::smallint)] AS rank
        FROM rank_block
        WHERE rank_block.season_id = $1 AND rank_block.block = scored.player_id >> 8
        LIMIT 1
    ) AS stored
    WHERE stored.rank IS NOT NULL
)
SELECT
    begin.reranked_at,
    begin.after_id <= 0
        OR coalesce(
            (SELECT submitted_at FROM newest ORDER BY id LIMIT 1) < begin.looks_from, false
        ) AS is_complete,
    (SELECT coalesce(array_agg(player_id), '{}') FROM ranked) AS player_ids,
    (SELECT coalesce(array_agg(rank), '{}') FROM ranked) AS ranks
FROM begin
