-- The stored ranks of some players of a season that is closed. $1 season, $2 players.
--
-- Index: standing_pkey, rank_block_pkey.
SELECT player_id, rank
FROM ranked_standing
WHERE season_id = $1 AND player_id = ANY ($2::bigint[])
