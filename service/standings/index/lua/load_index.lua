-- Adds standings to an index that is being built: the next ones in order, or those that a refresh
-- changed meanwhile.
--
-- KEYS[1] the new index   KEYS[2] string, how far the build is
-- ARGV[1] standings of 16 bytes: player id, sort_score (scan_standings.sql)
-- ARGV[2] how far it must be now   ARGV[3] how far it is afterwards   ARGV[4] seconds
-- The member is the player id as it is packed, eight bytes.
--
-- Returns 1, or 0 where somebody else went on with the build, or it was lost: nothing was changed then.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return 0
end
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
-- So that a build that nobody goes on with leaves nothing behind.
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
