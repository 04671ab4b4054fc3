-- Reads the standings around a player, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names
-- ARGV[1] member   ARGV[2] radius   ARGV[3] names in each bucket
--
-- Returns the offset ("" where there is no index), the number of players, how many are better than
-- the first listed one, the position of that one from 0, a list of member, sort_score, …, and a list
-- of their names, null for a name that is not kept here. Both lists are empty for a player who is not
-- in the index.
local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local position = redis.call('ZRANK', KEYS[1], ARGV[1])
if not position then
    return {offset, players, 0, 0, {}, {}}
end
local first = math.max(0, position - ARGV[2])
local listed = redis.call('ZRANGE', KEYS[1], first, position + ARGV[2], 'WITHSCORES')
local names = {}
for at = 1, #listed, 2 do
    local id = struct.unpack('>I8', listed[at])
    local bucket = string.format('%s%.0f', KEYS[3], math.floor(id / ARGV[3]))
    names[#names + 1] = redis.call('HGET', bucket, string.format('%.0f', id))
end
local better = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. listed[2])
return {offset, players, better, first, listed, names}
