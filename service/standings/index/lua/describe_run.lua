-- Answers a run of standings with their names. Scripts begin with this function.
--
-- offset, players, first the position of the first one from 0, listed a list of member, sort_score, …, of one
-- standing at least. KEYS[1] index   KEYS[3] prefix of the buckets of names, none on a cluster   ARGV[1] players in each
-- ARGV[2] hash of tie keys, "" where ties share a rank
local function describe_run(offset, players, first, listed)
    local names = {}
    for at = 1, #listed, 2 do
        local id = struct.unpack('>I8', listed[at], #listed[at] - 7)
        if KEYS[3] then
            local bucket = string.format('%s%d', KEYS[3], math.floor(id / ARGV[1]))
            names[#names + 1] = redis.call('HGET', bucket, string.format('%d', id))
        else
            names[#names + 1] = false
        end
    end
    local better = first
    if ARGV[2] == '' then
        better = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. listed[2])
    end
    return {offset, players, better, first, listed, names}
end
