-- Reads the ranks of several players, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] prefix of the buckets of names, none on a
-- cluster, where they are in another slot
-- ARGV[1] the players' ids, eight bytes each, one after the other: a single argument, because each one
--         costs the caller more than reading a rank costs here
-- ARGV[2] players in each bucket of names   ARGV[3] hash of tie keys, "" where ties share a rank
--
-- Returns the offset ("" where there is no index, or tie keys were lost), the number of players, then for
-- each player sort_score, how many are better, and name; three nulls for one who is not in the index.
local ids, per_bucket, ties = ARGV[1], ARGV[2], ARGV[3]
local call, format, floor = redis.call, string.format, math.floor
local answer = {call('GET', KEYS[2]) or '', call('ZCARD', KEYS[1])}
if not has_tie_keys(ties, answer[2]) then
    return {'', answer[2]}
end
local at = 2
for first = 1, #ids, 8 do
    local member = ids:sub(first, first + 7)
    local id = struct.unpack('>I8', member)
    local bucket, field = format('%d', floor(id / per_bucket)), format('%d', id)
    if ties ~= '' then
        member = find_tie_key(ties, member) .. member
    end
    local score = call('ZSCORE', KEYS[1], member)
    if score then
        answer[at + 1] = score
        answer[at + 2] = ties == '' and call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
            or call('ZRANK', KEYS[1], member)
        answer[at + 3] = KEYS[3] and call('HGET', KEYS[3] .. bucket, field) or false
    else
        answer[at + 1], answer[at + 2], answer[at + 3] = false, false, false
    end
    at = at + 3
end
return answer
