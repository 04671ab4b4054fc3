-- Adds changed standings to a season's index and moves its offset, in one atomic step.
--
-- KEYS[1] index    sorted set: member player, score sort_score
-- KEYS[2] offset   string "<epoch>:<number of the last refresh published>@<its time in ms>"
-- KEYS[3] top      string, the encoded first standings
-- ARGV[1] offset the index must have now, without a time   ARGV[2] offset it has afterwards
-- ARGV[3] the encoded top                     ARGV[4] channel of the events
-- ARGV[5] the event to send there             ARGV[6…] sort_score, member, sort_score, member, …
--
-- Answers 1, or 0 where the index is at another offset: nothing was changed then, and it has to be
-- rebuilt.
if string.match(redis.call('GET', KEYS[2]) or '', '^[^@]*') ~= ARGV[1] then
    return 0
end

-- unpack() is bounded by Lua's stack.
local CHUNK = 2000
for first = 6, #ARGV, CHUNK do
    redis.call('ZADD', KEYS[1], unpack(ARGV, first, math.min(first + CHUNK - 1, #ARGV)))
end

redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
