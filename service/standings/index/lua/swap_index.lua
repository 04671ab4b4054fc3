-- Puts a rebuilt index in the place of the old one and sets its offset, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] top
-- KEYS[4] the rebuilt index, absent where nobody plays; or the index itself, which was found right
-- ARGV[1] the offset found before that, "" for none
-- ARGV[2] how many players the rebuilt index must hold
-- ARGV[3] its offset   ARGV[4] the encoded top   ARGV[5] channel of the events
-- ARGV[6] the event to send there
--
-- Answers 1, or 0 where somebody else has written meanwhile, or the rebuilt index was lost: nothing
-- was changed then.
--
-- UNLINK frees the old index in the background; DEL of a million members would stall every reader.
-- MGET because GET fails on a key of another kind, which SET then overwrites. ZCARD too fails on
-- one, which counts as another number: the index itself may be one where nobody plays, for then the
-- comparison asked nothing of it.
local found = redis.call('MGET', KEYS[2])[1] or ''
local is_new = KEYS[4] ~= KEYS[1]
if found ~= ARGV[1] or redis.pcall('ZCARD', KEYS[4]) ~= tonumber(ARGV[2]) then
    if is_new then
        redis.call('UNLINK', KEYS[4])
    end
    return 0
end

if is_new then
    redis.call('UNLINK', KEYS[1])
    if redis.call('EXISTS', KEYS[4]) == 1 then
        redis.call('PERSIST', KEYS[4])
        redis.call('RENAME', KEYS[4], KEYS[1])
    end
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
