-- Reads the standings before a place and after it, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names, none on a
-- cluster, where they are in another slot
-- ARGV[1] players in each bucket of names   ARGV[2] hash of tie keys, "" where ties share a rank
-- ARGV[3] sort_score of the place   ARGV[4] its member, whether anybody stands there or not
-- ARGV[5] how many before the place   ARGV[6] how many after it
--
-- Returns the offset ("" where there is no index), the number of players, how many are better than
-- the first listed one, the position of that one from 0, a list of member, sort_score, …, and a list
-- of their names, null for a name that is not kept here. Both lists are empty where nobody stands
-- there. Whoever stands at the place itself is listed only where both are asked for.
--
-- Members of equal scores are in the order of their bytes; the place among them is found by halving.
-- Lua would compare them by the rules of some language.
local function is_before(left, right)
    for at = 1, #left, 8 do
        local one, other = struct.unpack('>I8', left, at), struct.unpack('>I8', right, at)
        if one ~= other then
            return one < other
        end
    end
    return false
end

local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local before, after = tonumber(ARGV[5]), tonumber(ARGV[6])
local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[3])
local high = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[3])
while low < high do
    local middle = math.floor((low + high) / 2)
    local member = redis.call('ZRANGE', KEYS[1], middle, middle)[1]
    if is_before(member, ARGV[4]) or after > 0 and member == ARGV[4] then
        low = middle + 1
    else
        high = middle
    end
end
local first, last = math.max(0, low - before), low + after - 1
local listed = last < first and {} or redis.call('ZRANGE', KEYS[1], first, last, 'WITHSCORES')
if #listed == 0 then
    return {offset, players, 0, first, {}, {}}
end
return describe_run(offset, players, first, listed)
