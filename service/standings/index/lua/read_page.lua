-- Reads a run of the standings by its place, at one moment.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] what the keys of the names' buckets begin with
-- ARGV[1] place of the first, from 0   ARGV[2] how many   ARGV[3] names a bucket
--
-- Answers the offset ("" where there is no index), the number of players, how many are better than
-- the first of the listed ones, the place of that one, then member, sort_score, …, then their
-- names, null for one that is not kept here; both lists are empty beyond the last player.
local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local listed = redis.call('ZRANGE', KEYS[1], ARGV[1], ARGV[1] + ARGV[2] - 1, 'WITHSCORES')
local first = tonumber(ARGV[1])
if #listed == 0 then
    return {offset, players, 0, first, {}, {}}
end
local names = {}
for at = 1, #listed, 2 do
    local id = struct.unpack('>I8', listed[at])
    local bucket = string.format('%s%.0f', KEYS[3], math.floor(id / ARGV[3]))
    names[#names + 1] = redis.call('HGET', bucket, string.format('%.0f', id))
end
local better = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. listed[2])
return {offset, players, better, first, listed, names}
