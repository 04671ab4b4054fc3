-- Adds standings to an index that is being built: the next ones in order, or those that a refresh
-- changed meanwhile.
--
-- KEYS[1] the new index   KEYS[2] string, how far the build is
-- ARGV[1] standings (scan_standings.sql)
-- ARGV[2] how far it must be now   ARGV[3] how far it is afterwards   ARGV[4] seconds
-- ARGV[5] prefix of the buckets of tie keys, "" where ties share a rank   ARGV[6] players in each bucket
--
-- Returns 1, or 0 where somebody else went on with the build, or it was lost: nothing was changed then.
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return 0
end
local CHUNK = 2000
local packed, ties = ARGV[1], ARGV[5]
local width = ties == '' and 16 or 24
local pairs = {}
for at = 1, #packed, width do
    local member = packed:sub(at, at + width - 9)
    if ties ~= '' then
        -- The member changes with the tie key.
        local tie, id = member:sub(1, 8), struct.unpack('>I8', member, 9)
        local bucket = string.format('%s%.0f', ties, math.floor(id / ARGV[6]))
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
-- So that a build that nobody goes on with leaves nothing behind.
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('SET', KEYS[2], ARGV[3], 'EX', ARGV[4])
return 1
