-- Whether standings changed since the last re-rank, and that one is long enough ago; or whether one is
-- under way.
--
-- $1 least seconds between two, $2 least multiple of the last one's duration between two. Answers
-- the number of the last refresh, or no row when no re-rank is due.
SELECT number
FROM refresh_state
WHERE EXISTS (SELECT FROM rerank_progress)
    OR (
        number > rerank_number
        AND (
            reranked_at IS NULL
            -- The clock was set back meanwhile: nothing is known of how long ago that was.
            OR reranked_at > clock_timestamp()
            OR clock_timestamp() >= reranked_at + greatest(
                make_interval(secs => $1), make_interval(secs => $2 * rerank_ms / 1000)
            )
        )
    )
