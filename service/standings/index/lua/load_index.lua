-- Adds consecutive standings to an index that is being rebuilt.
--
-- KEYS[1] the new index   ARGV[1] standings of 16 bytes: player id, sort_score (scan_standings.sql)
-- The member is the player id as it is packed, eight bytes.
local CHUNK = 1000
local packed = ARGV[1]
local pairs = {}
for at = 1, #packed, 16 do
    pairs[#pairs + 1] = struct.unpack('>i8', packed, at + 8)
    pairs[#pairs + 1] = packed:sub(at, at + 7)
    if #pairs == 2 * CHUNK then
        redis.call('ZADD', KEYS[1], unpack(pairs))
        pairs = {}
    end
end
if #pairs > 0 then
    redis.call('ZADD', KEYS[1], unpack(pairs))
end
-- So that a rebuild that was abandoned leaves nothing behind.
redis.call('EXPIRE', KEYS[1], 600)
return 1
