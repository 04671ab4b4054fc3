-- Compares some standings with the index.
--
-- KEYS[1] index   ARGV[1] standings of 16 bytes: player id, sort_score (pack_standings.sql)
--
-- Returns the members, eight bytes each, that the index lacks, and those that it has with another
-- score.
local CHUNK = 1000
local packed = ARGV[1]
local missing, differing = {}, {}
for first = 1, #packed, 16 * CHUNK do
    local members = {}
    for at = first, math.min(first + 16 * CHUNK - 1, #packed), 16 do
        members[#members + 1] = packed:sub(at, at + 7)
    end
    local scores = redis.call('ZMSCORE', KEYS[1], unpack(members))
    for i, member in ipairs(members) do
        if not scores[i] then
            missing[#missing + 1] = member
        elseif tonumber(scores[i]) ~= struct.unpack('>i8', packed, first + 16 * i - 8) then
            differing[#differing + 1] = member
        end
    end
end
return {table.concat(missing), table.concat(differing)}
