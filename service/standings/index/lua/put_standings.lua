-- Puts standings into an index. Scripts begin with this function, after those of tie_keys.lua.
--
-- index, packed standings (scan_standings.sql), ties the hash of tie keys, "" where ties share a rank.
local function put_standings(index, packed, ties)
    -- Lua's stack limits how much unpack() can take.
    local CHUNK = 2000
    local width = ties == '' and 16 or 24
    local pairs, added = {}, 0
    for at = 1, #packed, width do
        local member = packed:sub(at, at + width - 9)
        if ties ~= '' then
            -- The member changes with the tie key.
            local tie = member:sub(1, 8)
            local before = keep_tie_key(ties, member, tie)
            if before == '' then
                added = added + 1
            elseif before ~= tie then
                redis.call('ZREM', index, before .. member:sub(9))
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
    if added > 0 then
        redis.call('HINCRBY', ties, 'players', added)
    end
end
