-- Finds and keeps the tie keys that an index's members begin with. Scripts begin with these functions.
--
-- One hash has those of all players, so that they are lost all at once or not at all, and the field
-- `players` counts them. Each other field is a bucket of players whose ids follow each other: a byte for
-- each, which of them it is, then in the same order eight bytes for each, its tie key.
--
-- ties the hash, "" where ties share a rank, member one whose last eight bytes are the player's id.
local TIES_PER_BUCKET = 16
local function find_tie_bucket(ties, member)
    local id = struct.unpack('>I8', member, #member - 7)
    local field = string.format('%d', math.floor(id / TIES_PER_BUCKET))
    local slot = string.char(id % TIES_PER_BUCKET)
    local bucket = redis.call('HGET', ties, field) or ''
    local players = #bucket / 9
    local at = bucket:find(slot, 1, true)
    if at and at > players then
        at = nil
    end
    return field, slot, bucket, players, at
end

-- Returns a player's tie key, "" for none.
local function find_tie_key(ties, member)
    local _, _, bucket, players, at = find_tie_bucket(ties, member)
    return at and bucket:sub(players + 8 * at - 7, players + 8 * at) or ''
end

-- Keeps a player's tie key, or forgets it if that is ""; returns the one before, "" for none. To count is
-- left to the caller, who knows of more players.
local function keep_tie_key(ties, member, tie)
    local field, slot, bucket, players, at = find_tie_bucket(ties, member)
    local before = ''
    if at then
        local last = players + 8 * at
        before = bucket:sub(last - 7, last)
        if before == tie then
            return before
        end
        bucket = bucket:sub(1, at - 1) .. bucket:sub(at + 1, last - 8) .. bucket:sub(last + 1)
        players = players - 1
    end
    if tie ~= '' then
        bucket = bucket:sub(1, players) .. slot .. bucket:sub(players + 1) .. tie
    end
    if bucket == '' then
        redis.call('HDEL', ties, field)
    else
        redis.call('HSET', ties, field, bucket)
    end
    return before
end

-- Returns whether there is a tie key for each of so many players. A hash of another type has none.
local function has_tie_keys(ties, players)
    return ties == '' or tonumber(redis.pcall('HGET', ties, 'players') or 0) == players
end
