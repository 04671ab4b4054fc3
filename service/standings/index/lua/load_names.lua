-- Keeps players' names beside the index, and nothing else beside them.
--
-- KEYS[…] buckets of names   ARGV[…] for each, id and name with a zero byte after them, and so on, by
--         id (scan_usernames.sql)
--
-- To see that a bucket is like that already takes a third of the time of filling it. A long name
-- makes Redis keep a bucket in an order of its own: it is then filled each time.
for i, key in ipairs(KEYS) do
    local stored = redis.pcall('HGETALL', key)
    stored[#stored + 1] = ''
    if table.concat(stored, '\0') ~= ARGV[i] then
        local pairs = {}
        for id, name in string.gmatch(ARGV[i], '(%Z*)%z(%Z*)%z') do
            pairs[#pairs + 1] = id
            pairs[#pairs + 1] = name
        end
        redis.call('DEL', key)
        redis.call('HSET', key, unpack(pairs))
    end
end
return #KEYS
