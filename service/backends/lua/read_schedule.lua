-- Tells how long ago a message of the scheduler was carried out (note_schedule.lua).
--
-- KEYS[1] string, milliseconds
--
-- Returns milliseconds; null where none ever was. Where the clock was set back since, they are counted
-- from when that is found, for which the time is noted anew.
local stored = redis.call('GET', KEYS[1])
local at = stored and tonumber(string.match(stored, '^%d+$'))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not at then
    return false
end
if at > now then
    redis.pcall('SET', KEYS[1], string.format('%.0f', now))
    return 0
end
return now - at
