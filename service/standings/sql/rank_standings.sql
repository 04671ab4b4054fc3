-- Stores the competition rank (1, 2, 2, 4) of every standing in the open seasons.
--
-- Answers how many ranks changed; rows whose rank stays are not written.
--
-- Index: standing_season_id_sort_score_player_id gives each season in its order, so that ranking
-- needs no sort. Locks: the standings it writes; it runs under the refresh lock, so nobody waits.
WITH ranked AS (
    SELECT
        season_id,
        player_id,
        rank() OVER (PARTITION BY season_id ORDER BY sort_score) AS rank
    FROM standing
    WHERE season_id IN (SELECT id FROM season WHERE closed_at IS NULL)
),
changed AS (
    UPDATE standing
    SET rank = ranked.rank, ranked_at = now()
    FROM ranked
    WHERE standing.season_id = ranked.season_id
        AND standing.player_id = ranked.player_id
        AND standing.rank IS DISTINCT FROM ranked.rank
    RETURNING 1
)
SELECT count(*) AS changed FROM changed
