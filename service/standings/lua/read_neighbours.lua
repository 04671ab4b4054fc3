-- Reads the standings around a player at one moment.
--
-- KEYS[1] index   KEYS[2] offset   ARGV[1] member   ARGV[2] radius
--
-- Answers the offset ("" where there is no index), the number of players, how many are better than
-- the first of the listed ones, the position of that one from 0, then member, sort_score, …; an
-- empty list for a player who is not in the index.
local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local position = redis.call('ZRANK', KEYS[1], ARGV[1])
if not position then
    return {offset, players, 0, 0, {}}
end
local first = math.max(0, position - ARGV[2])
local listed = redis.call('ZRANGE', KEYS[1], first, position + ARGV[2], 'WITHSCORES')
return {offset, players, redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. listed[2]), first, listed}
