-- Tells whether the keys have changed since they were read. Rows are only added and revoked, so
-- that these two counts say it; `epoch` is for another database restored in the place of this one.
SELECT
    (SELECT count(*) FROM api_key) AS made,
    (SELECT count(revoked_at) FROM api_key) AS revoked,
    (SELECT epoch FROM database_state) AS epoch
