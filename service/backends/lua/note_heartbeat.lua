-- Keeps a process's heartbeat, with the time of this server's clock: it is the only one that heartbeats
-- are compared by, so that those of the machines may differ.
--
-- KEYS[1] hash with the heartbeats of all processes of a kind
-- ARGV[1] name of the process   ARGV[2] its description, as JSON
local time = redis.call('TIME')
local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
return redis.call('HSET', KEYS[1], ARGV[1], '{"at": ' .. at .. ', "process": ' .. ARGV[2] .. '}')
