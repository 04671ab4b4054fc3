-- Tells how long ago a message of the scheduler was carried out (note_schedule.lua).
--
-- KEYS[1] string, milliseconds
--
-- Returns milliseconds; null where none ever was, or the clock was set back since.
local stored = redis.call('GET', KEYS[1])
local at = stored and tonumber(string.match(stored, '^%d+$'))
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not at or at > now then
    return false
end
return now - at
