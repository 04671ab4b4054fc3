-- The second half of the full recomputation that the standings are measured against: after
-- everything was deleted, everything is summed up over the ledger and ranked.
--
-- $1 season.
INSERT INTO benchmark_standing (
    season_id, player_id, score, sort_score, sessions, reached_at, session_id, rank
)
SELECT
    $1,
    player_id,
    sum(score),
    -sum(score),
    count(*),
    max(submitted_at),
    max(id) FILTER (WHERE score <> 0),
    rank() OVER (ORDER BY sum(score) DESC)
FROM game_session
GROUP BY player_id
