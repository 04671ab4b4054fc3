-- Counts the players with a better score than this one, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   ARGV[1] sort_score
--
-- Returns the offset ("" where there is no index), the number of players, and how many are better.
local offset = redis.call('GET', KEYS[2]) or ''
local better = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[1])
return {offset, redis.call('ZCARD', KEYS[1]), better}
