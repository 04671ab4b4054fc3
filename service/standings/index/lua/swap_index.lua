-- Replaces the index by a rebuilt one and sets its offset, in one atomic step.
--
-- KEYS[1] index   KEYS[2] offset   KEYS[3] top
-- KEYS[4] the rebuilt index, missing if it is empty; or the index itself, if that was found right
-- KEYS[5] how far the build is
-- KEYS[6] hash of tie keys, and KEYS[7] that of the rebuilt index, or itself; none where ties share a rank
-- ARGV[1] the offset that was read before the rebuild, "" for none
-- ARGV[2] how many players the rebuilt index must hold
-- ARGV[3] its offset   ARGV[4] the encoded top   ARGV[5] channel of the events
-- ARGV[6] the event to send there   ARGV[7] how far the build is afterwards   ARGV[8] seconds
--
-- Returns 1, or 0 where something else wrote meanwhile or the rebuilt index was lost, or its tie keys
-- were: nothing was changed then.
--
-- UNLINK frees the old index in the background; DEL of a million members would stall every reader.
-- MGET, because GET fails on a key of another type, which SET then overwrites. ZCARD fails on one too,
-- which counts as a different number: an index of another type can be found right where there is no
-- standing to compare it with.
local found = redis.call('MGET', KEYS[2])[1] or ''
local is_new, players = KEYS[4] ~= KEYS[1], tonumber(ARGV[2])
if
    found ~= ARGV[1]
    or redis.pcall('ZCARD', KEYS[4]) ~= players
    or not has_tie_keys(KEYS[7] or '', players)
then
    if is_new then
        -- The last is nil where ties share a rank, and ends the list.
        redis.call('UNLINK', unpack({KEYS[4], KEYS[5], KEYS[7]}))
    end
    return 0
end

local function replace(key, new_key)
    redis.call('UNLINK', key)
    if redis.call('EXISTS', new_key) == 1 then
        redis.call('PERSIST', new_key)
        redis.call('RENAME', new_key, key)
    end
end

if is_new then
    replace(KEYS[1], KEYS[4])
    if KEYS[6] then
        replace(KEYS[6], KEYS[7])
    end
end
redis.call('SET', KEYS[2], ARGV[3])
redis.call('SET', KEYS[5], ARGV[7], 'EX', ARGV[8])
redis.call('SET', KEYS[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return 1
