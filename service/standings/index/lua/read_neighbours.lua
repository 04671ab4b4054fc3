-- Reads the standings around a player, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names, none on a
-- cluster, where they are in another slot
-- ARGV[1] players in each bucket of names   ARGV[2] hash of tie keys, "" where ties share a rank
-- ARGV[3] the player's id, eight bytes   ARGV[4] radius
--
-- Returns the offset ("" where there is no index, or tie keys were lost), the number of players, how many
-- are better than the first listed one, the position of that one from 0, a list of member, sort_score, …,
-- and a list of their names, null for a name that is not kept here. Both lists are empty for a player who is
-- not in the index.
local offset = redis.call('GET', KEYS[2]) or ''
local players = redis.call('ZCARD', KEYS[1])
local member = ARGV[3]
if not has_tie_keys(ARGV[2], players) then
    return {'', players, 0, 0, {}, {}}
end
if ARGV[2] ~= '' then
    member = find_tie_key(ARGV[2], member) .. member
end
local position = redis.call('ZRANK', KEYS[1], member)
if not position then
    return {offset, players, 0, 0, {}, {}}
end
local first = math.max(0, position - ARGV[4])
local listed = redis.call('ZRANGE', KEYS[1], first, position + ARGV[4], 'WITHSCORES')
return describe_run(offset, players, first, listed)
