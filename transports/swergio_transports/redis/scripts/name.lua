-- Take a name, which others may have too unless one of them is to be unique.
--
-- KEYS: instances of the name, a hash: instance -> 1 if it is to be unique. ARGV: instance, unique
-- Returns who stands in the way; nobody if the name was taken.

redis.call('PERSIST', KEYS[1]) -- no change; behind it a full server takes what needs a little memory
local others, all, conflict = {}, redis.call('HGETALL', KEYS[1]), ARGV[2] == '1'
for at = 1, #all, 2 do
  if all[at] ~= ARGV[1] then
    table.insert(others, all[at])
    conflict = conflict or all[at + 1] == '1'
  end
end
if conflict and #others > 0 then return others end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return {}
