-- Puts standings into an index. Scripts begin with this function.
--
-- index, packed standings (scan_standings.sql), ties the prefix of the buckets of tie keys, "" where ties
-- share a rank, per_bucket how many players are in each.
local function put_standings(index, packed, ties, per_bucket)
    -- Lua's stack limits how much unpack() can take.
    local CHUNK = 2000
    local width = ties == '' and 16 or 24
    local pairs = {}
    for at = 1, #packed, width do
        local member = packed:sub(at, at + width - 9)
        if ties ~= '' then
            -- The member changes with the tie key.
            local tie, id = member:sub(1, 8), struct.unpack('>I8', member, 9)
            local bucket = string.format('%s%.0f', ties, math.floor(id / per_bucket))
            local field = string.format('%.0f', id)
            local before = redis.call('HGET', bucket, field)
            if before ~= tie then
                if before then
                    redis.call('ZREM', index, before .. member:sub(9))
                end
                redis.call('HSET', bucket, field, tie)
            end
        end
        pairs[#pairs + 1] = struct.unpack('>i8', packed, at + width - 8)
        pairs[#pairs + 1] = member
        if #pairs == CHUNK then
            redis.call('ZADD', index, unpack(pairs))
            pairs = {}
        end
    end
    if #pairs > 0 then
        redis.call('ZADD', index, unpack(pairs))
    end
end
