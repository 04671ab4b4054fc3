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
-- ARGV[9] the ids of players who stand no more, eight bytes each
--
-- Returns 1, or 0 where the index is at another offset or has lost players: nothing was changed then,
-- and the index has to be rebuilt.
if string.match(redis.call('GET', KEYS[2]) or '', '^[^@]*') ~= ARGV[1] then
    return 0
end
if redis.call('ZCARD', KEYS[1]) ~= tonumber(string.match(ARGV[1], '%d+$')) then
    return 0
end

local ties = ARGV[7]
put_standings(KEYS[1], ARGV[6], ties, ARGV[8])

local removed = ARGV[9]
for at = 1, #removed, 8 do
    local member = removed:sub(at, at + 7)
    if ties ~= '' then
        local id = struct.unpack('>I8', member)
        local bucket = string.format('%s%.0f', ties, math.floor(id / ARGV[8]))
        local field = string.format('%.0f', id)
        member = (redis.call('HGET', bucket, field) or '') .. member
        redis.call('HDEL', bucket, field)
    end
    redis.call('ZREM', KEYS[1], member)
end

redis.call('SET', KEYS[2], ARGV[2])
if ARGV[3] ~= '' then
    redis.call('SET', KEYS[3], ARGV[3])
else
    redis.call('DEL', KEYS[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
