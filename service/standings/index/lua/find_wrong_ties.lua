-- Compares the tie keys beside an index with those of some standings.
--
-- KEYS[1] hash of tie keys   ARGV[1] standings (scan_standings.sql)
--
-- Returns the members, one after the other, of players of whom another one is kept, or none.
local wrong = {}
for at = 1, #ARGV[1], 24 do
    local member = ARGV[1]:sub(at, at + 15)
    if find_tie_key(KEYS[1], member) ~= member:sub(1, 8) then
        wrong[#wrong + 1] = member
    end
end
return table.concat(wrong)
