-- Reads consecutive standings from a position on, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names, none on a
-- cluster, where they are in another slot
-- ARGV[1] players in each bucket of names   ARGV[2] hash of tie keys, "" where ties share a rank
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
return describe_run(offset, players, first, listed)
