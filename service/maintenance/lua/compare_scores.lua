-- Compares some standings with the index.
--
-- KEYS[1] index   ARGV[1] standings (pack_standings.sql)   ARGV[2] bytes of a member
--
-- Returns the members that the index lacks, and those that it has with another score.
local CHUNK = 1000
local packed, width = ARGV[1], ARGV[2] + 8
local missing, differing = {}, {}
for first = 1, #packed, width * CHUNK do
    local members = {}
    for at = first, math.min(first + width * CHUNK - 1, #packed), width do
        members[#members + 1] = packed:sub(at, at + width - 9)
    end
    local scores = redis.call('ZMSCORE', KEYS[1], unpack(members))
    for i, member in ipairs(members) do
        if not scores[i] then
            missing[#missing + 1] = member
        elseif tonumber(scores[i]) ~= struct.unpack('>i8', packed, first + width * i - 8) then
            differing[#differing + 1] = member
        end
    end
end
return {table.concat(missing), table.concat(differing)}
