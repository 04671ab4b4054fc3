-- Reads the ranks of several players at one moment.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3…] the bucket of names of each player
-- ARGV: member, user id, member, user id, …; one pair a bucket
--
-- Answers the offset ("" where there is no index), the number of players, then for each player
-- sort_score, how many are better, and name; three nulls for one who is not in the index.
local answer = {redis.call('GET', KEYS[2]) or '', redis.call('ZCARD', KEYS[1])}
for i = 1, #ARGV, 2 do
    local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
    local at = #answer
    if score then
        answer[at + 1] = score
        answer[at + 2] = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
        answer[at + 3] = redis.call('HGET', KEYS[(i + 1) / 2 + 2], ARGV[i + 1])
    else
        answer[at + 1], answer[at + 2], answer[at + 3] = false, false, false
    end
end
return answer
