-- Puts a rebuilt index in the place of the old one and sets its offset, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] top   KEYS[4] the rebuilt index; absent: nobody plays
-- ARGV[1] offset  ARGV[2] the encoded top        ARGV[3] channel of the events
-- ARGV[4] the event to send there
--
-- UNLINK frees the old index in the background; DEL of a million members would stall every reader.
redis.call('UNLINK', KEYS[1])
if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('PERSIST', KEYS[4])
    redis.call('RENAME', KEYS[4], KEYS[1])
end
redis.call('SET', KEYS[2], ARGV[1])
redis.call('SET', KEYS[3], ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return 1
