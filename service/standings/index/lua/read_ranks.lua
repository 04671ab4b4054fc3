-- Reads the ranks of several players, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names
-- ARGV[1] the players' members, eight bytes each, one after the other: a single argument, because
--         each one costs the caller more than reading a rank costs here
-- ARGV[2] names in each bucket
--
-- Returns the offset ("" where there is no index), the number of players, then for each player
-- sort_score, how many are better, and name; three nulls for one who is not in the index.
local members = ARGV[1]
local answer = {redis.call('GET', KEYS[2]) or '', redis.call('ZCARD', KEYS[1])}
local at = 2
for first = 1, #members, 8 do
    local member = members:sub(first, first + 7)
    local score = redis.call('ZSCORE', KEYS[1], member)
    if score then
        local id = struct.unpack('>I8', member)
        local bucket = string.format('%s%.0f', KEYS[3], math.floor(id / ARGV[2]))
        answer[at + 1] = score
        answer[at + 2] = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
        answer[at + 3] = redis.call('HGET', bucket, string.format('%.0f', id))
    else
        answer[at + 1], answer[at + 2], answer[at + 3] = false, false, false
    end
    at = at + 3
end
return answer
