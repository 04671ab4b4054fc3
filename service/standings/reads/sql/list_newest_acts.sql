-- The newest acts of moderators: other ones than before say that results or names may be others.
--
-- So many that one with a lower id, which was committed after another, is among them. Index:
-- moderation_log_pkey backwards.
SELECT id FROM moderation_log ORDER BY id DESC LIMIT 100
