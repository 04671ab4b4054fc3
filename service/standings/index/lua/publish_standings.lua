-- Adds changed standings to a season's index and moves its offset, in one atomic step.
--
-- KEYS[1] index    sorted set: member player, score sort_score
-- KEYS[2] offset   string "<epoch>:<number>.<token>/<players>@<time, ms>" of the last refresh published
-- KEYS[3] top      string, the encoded first standings
-- ARGV[1] offset the index must have now, without a time   ARGV[2] offset it has afterwards
-- ARGV[3] the encoded top, "" where nobody asked for it   ARGV[4] channel of the events
-- ARGV[5] the event to send there
-- ARGV[6] changed standings (scan_standings.sql), in one argument because each one costs the caller more
--         than the change costs here
-- ARGV[7] prefix of the buckets of tie keys, "" where ties share a rank   ARGV[8] players in each bucket
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
local packed, ties = ARGV[6], ARGV[7]
local width = ties == '' and 16 or 24
local pairs = {}
for at = 1, #packed, width do
    local member = packed:sub(at, at + width - 9)
    if ties ~= '' then
        -- The member changes with the tie key.
        local tie, id = member:sub(1, 8), struct.unpack('>I8', member, 9)
        local bucket = string.format('%s%.0f', ties, math.floor(id / ARGV[8]))
        local field = string.format('%.0f', id)
        local before = redis.call('HGET', bucket, field)
        if before ~= tie then
            if before then
                redis.call('ZREM', KEYS[1], before .. member:sub(9))
            end
            redis.call('HSET', bucket, field, tie)
        end
    end
    pairs[#pairs + 1] = struct.unpack('>i8', packed, at + width - 8)
    pairs[#pairs + 1] = member
    if #pairs == CHUNK then
        redis.call('ZADD', KEYS[1], unpack(pairs))
        pairs = {}
    end
end
if #pairs > 0 then
    redis.call('ZADD', KEYS[1], unpack(pairs))
end

redis.call('SET', KEYS[2], ARGV[2])
if ARGV[3] ~= '' then
    redis.call('SET', KEYS[3], ARGV[3])
else
    redis.call('DEL', KEYS[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
