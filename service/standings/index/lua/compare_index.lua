-- Compares consecutive standings with the index, position by position.
--
-- KEYS[1] index   ARGV[1] standings (scan_standings.sql)   ARGV[2] bytes of each: its member, and eight
-- ARGV[3] the position of the first one, from 0
--
-- Returns 1, or 0 where the index holds something else there. It takes a fifth of the time of filling
-- an index.
local CHUNK = 1000
local packed, width, place = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for first = 1, #packed, width * CHUNK do
    local count = math.min(CHUNK, (#packed - first + 1) / width)
    local found = redis.call('ZRANGE', KEYS[1], place, place + count - 1, 'WITHSCORES')
    if #found ~= 2 * count then
        return 0
    end
    for i = 1, count do
        local at = first + width * (i - 1)
        if
            found[2 * i - 1] ~= packed:sub(at, at + width - 9)
            or tonumber(found[2 * i]) ~= struct.unpack('>i8', packed, at + width - 8)
        then
            return 0
        end
    end
    place = place + count
end
return 1
