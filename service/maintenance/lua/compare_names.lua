-- Compares players' names with those beside the index, which need not hold every name.
--
-- KEYS[…] buckets of names   ARGV[…] for each bucket the ids and names, a zero byte after each
--
-- Returns how many of these players have a name there, then the ids of those with another name.
local answer = {0}
for i, key in ipairs(KEYS) do
    local ids, names = {}, {}
    for id, name in string.gmatch(ARGV[i], '(%Z*)%z(%Z*)%z') do
        ids[#ids + 1] = id
        names[#names + 1] = name
    end
    for j, stored in ipairs(redis.call('HMGET', key, unpack(ids))) do
        if stored then
            answer[1] = answer[1] + 1
            if stored ~= names[j] then
                answer[#answer + 1] = ids[j]
            end
        end
    end
end
return answer
