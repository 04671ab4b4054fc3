-- Adds standings to an index that is being built: the next ones in order, or those that a refresh
-- changed meanwhile.
--
-- KEYS[1] the new index   KEYS[2] string, how far the build is
-- ARGV[1] standings (scan_standings.sql)
-- ARGV[2] how far it must be now   ARGV[3] how far it is afterwards   ARGV[4] seconds
-- ARGV[5] its hash of tie keys, "" where ties share a rank
--
-- Returns 1, or 0 where somebody else went on with the build, or it was lost: nothing was changed then.
-- That the index or its tie keys were lost alone is found when all is loaded (swap_index.lua).
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return 0
end
put_standings(KEYS[1], ARGV[1], ARGV[5])
-- So that a build that nobody goes on with leaves nothing behind.
redis.call('EXPIRE', KEYS[1], ARGV[4])
if ARGV[5] ~= '' then
    redis.call('EXPIRE', ARGV[5], ARGV[4])
end
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
