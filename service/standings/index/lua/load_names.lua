-- Makes buckets of players' names beside the index hold these names and no others.
--
-- KEYS[1] string, the version   KEYS[2…] buckets of names
-- ARGV[1] the version from before they were read
-- ARGV[2…] for each bucket the ids and names, a zero byte after each, by id (scan_usernames.sql)
--
-- Returns 1, or 0 where the version is another one, or was lost: nothing was changed then.
--
-- Comparing a bucket that is right takes a third of the time of filling it. With a long name in it
-- Redis orders a bucket differently: it is then filled each time.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
for i = 2, #KEYS do
    local key = KEYS[i]
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
return 1
