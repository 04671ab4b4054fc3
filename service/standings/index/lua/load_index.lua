-- Adds standings to an index that is being built: the next ones in order, or those that a refresh
-- changed meanwhile.
--
-- KEYS[1] the new index   KEYS[2] string, how far the build is
-- ARGV[1] standings (scan_standings.sql)
-- ARGV[2] how far it must be now   ARGV[3] how far it is afterwards   ARGV[4] seconds
-- ARGV[5] prefix of the buckets of tie keys, "" where ties share a rank   ARGV[6] players in each bucket
--
-- Returns 1, or 0 where somebody else went on with the build, or it was lost: nothing was changed then.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return 0
end
put_standings(KEYS[1], ARGV[1], ARGV[5], ARGV[6])
-- So that a build that nobody goes on with leaves nothing behind.
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
