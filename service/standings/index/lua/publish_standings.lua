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
-- ARGV[7] hash of tie keys, "" where ties share a rank
-- ARGV[8] the ids of players who stand no more, eight bytes each
--
-- Returns 1, or 0 where the index is at another offset or has lost players or tie keys: nothing was
-- changed then, and the index has to be rebuilt.
if string.match(redis.call('GET', KEYS[2]) or '', '^[^@]*') ~= ARGV[1] then
    return 0
end
local ties, players = ARGV[7], tonumber(string.match(ARGV[1], '%d+$'))
if redis.call('ZCARD', KEYS[1]) ~= players or not has_tie_keys(ties, players) then
    return 0
end

put_standings(KEYS[1], ARGV[6], ties)

local removed, forgotten = ARGV[8], 0
for at = 1, #removed, 8 do
    local member = removed:sub(at, at + 7)
    if ties ~= '' then
        member = keep_tie_key(ties, member, '') .. member
        if #member > 8 then
            forgotten = forgotten + 1
        end
    end
    redis.call('ZREM', KEYS[1], member)
end
if forgotten > 0 then
    redis.call('HINCRBY', ties, 'players', -forgotten)
end

redis.call('SET', KEYS[2], ARGV[2])
if ARGV[3] ~= '' then
    redis.call('SET', KEYS[3], ARGV[3])
else
    redis.call('DEL', KEYS[3])
end
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
