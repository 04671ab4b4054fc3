-- Adds changed standings to a season's index and moves its offset, in one atomic step.
--
-- KEYS[1] index    sorted set: member player, score sort_score
-- KEYS[2] offset   string "<epoch>:<number>.<token>/<players>@<time, ms>" of the last refresh published
-- KEYS[3] top      string, the encoded first standings
-- ARGV[1] offset the index must have now, without a time   ARGV[2] offset it has afterwards
-- ARGV[3] the encoded top                     ARGV[4] channel of the events
-- ARGV[5] the event to send there
-- ARGV[6] changed standings of 16 bytes: player id, sort_score (scan_standings.sql), in one argument
--         because each one costs the caller more than the change costs here
--
-- Returns 1, or 0 where the index is at another offset or has lost players: nothing was changed then,
-- and the index has to be rebuilt.
if string.match(redis.call('GET', KEYS[2]) or '', '^[^@]*') ~= ARGV[1] then
    return 0
end
if redis.call('ZCARD', KEYS[1]) ~= tonumber(string.match(ARGV[1], '%d+$')) then
    return 0
end

-- Lua's stack limits how much unpack() can take.
local CHUNK = 2000
local packed = ARGV[6]
local pairs = {}
for at = 1, #packed, 16 do
    pairs[#pairs + 1] = struct.unpack('>i8', packed, at + 8)
    pairs[#pairs + 1] = packed:sub(at, at + 7)
    if #pairs == CHUNK then
        redis.call('ZADD', KEYS[1], unpack(pairs))
        pairs = {}
    end
end
if #pairs > 0 then
    redis.call('ZADD', KEYS[1], unpack(pairs))
end

redis.call('SET', KEYS[2], ARGV[2])
redis.call('SET', KEYS[3], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
