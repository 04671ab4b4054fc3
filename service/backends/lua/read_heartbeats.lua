-- Reads the heartbeats of the last moments, and removes all others.
--
-- KEYS[1] hash with the heartbeats of all processes of a kind   ARGV[1] milliseconds
--
-- One from the future was noted before the clock was set back: whoever is there sends another one soon.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('HGETALL', KEYS[1])
local present = {}
for i = 1, #found, 2 do
    local at = tonumber(string.match(found[i + 1], '^{"at": (%d+), '))
    if at and at <= now and now - at <= tonumber(ARGV[1]) then
        present[#present + 1] = found[i + 1]
    else
        redis.pcall('HDEL', KEYS[1], found[i])
    end
end
return present
