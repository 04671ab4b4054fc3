-- Notes the time, of this server's clock, at which a message of the scheduler was carried out.
--
-- KEYS[1] string, milliseconds
local time = redis.call('TIME')
redis.call('SET', KEYS[1], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
return 1
