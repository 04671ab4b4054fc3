-- Keeps players' names beside the index.
--
-- KEYS[…] buckets of names   ARGV[…] for each, id and name with a zero byte after them, and so on
--         (scan_usernames.sql)
for i, key in ipairs(KEYS) do
    local pairs = {}
    for id, name in string.gmatch(ARGV[i], '(%Z*)%z(%Z*)%z') do
        pairs[#pairs + 1] = id
        pairs[#pairs + 1] = name
    end
    redis.call('HSET', key, unpack(pairs))
end
return #KEYS
