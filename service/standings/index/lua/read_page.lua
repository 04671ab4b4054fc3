-- Reads consecutive standings from a position on, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names
-- ARGV[1] players in each bucket   ARGV[2] prefix of the buckets of tie keys, "" where ties share a rank
-- ARGV[3] position of the first, from 0   ARGV[4] how many
--
-- Returns the offset ("" where there is no index), the number of players, how many are better than
-- the first listed one, the position of that one from 0, a list of member, sort_score, …, and a list
-- of their names, null for a name that is not kept here. Both lists are empty beyond the last
-- player.
local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local first = tonumber(ARGV[3])
local listed = redis.call('ZRANGE', KEYS[1], first, first + ARGV[4] - 1, 'WITHSCORES')
if #listed == 0 then
    return {offset, players, 0, first, {}, {}}
end
local names = {}
for at = 1, #listed, 2 do
    local id = struct.unpack('>I8', listed[at], #listed[at] - 7)
    local bucket = string.format('%s%.0f', KEYS[3], math.floor(id / ARGV[1]))
    names[#names + 1] = redis.call('HGET', bucket, string.format('%.0f', id))
end
local better = first
if ARGV[2] == '' then
    better = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. listed[2])
end
return {offset, players, better, first, listed, names}
