-- Keeps names of players, unless some were changed since these were read.
--
-- KEYS[1] string, the version   KEYS[2] prefix of the buckets of names
-- ARGV[1] the version from before they were read   ARGV[2] players in each bucket   ARGV[3…] id, name, …
--
-- Returns 1, or 0 where the version is another one, or was lost: nothing was kept then.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
    return 0
end
local buckets = {}
for at = 3, #ARGV, 2 do
    local key = string.format('%s%d', KEYS[2], math.floor(ARGV[at] / ARGV[2]))
    local fields = buckets[key] or {}
    buckets[key] = fields
    fields[#fields + 1] = ARGV[at]
    fields[#fields + 1] = ARGV[at + 1]
end
for key, fields in pairs(buckets) do
    redis.call('HSET', key, unpack(fields))
end
return 1
