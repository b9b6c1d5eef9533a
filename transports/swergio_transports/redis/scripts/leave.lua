-- End a membership.
--
-- ARGV: instance, life, verb, note
--   life   of the membership, or of a later one, which is left alone if it is above this
-- Returns the group that has no members any more by that; nothing otherwise.

local former = redis.call('HGET', KEYS[3], ARGV[1])
if not former then return false end
local life, group = string.match(former, '^%d+ (%d+) %a+ %d (.*)$')
if tonumber(life) > tonumber(ARGV[2]) then return false end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
survey()
redis.call(ARGV[3], KEYS[8], ARGV[4])
if group == '' then return false end
redis.call(ARGV[3], KEYS[7], '') -- the others look for what it had not finished
local _, count = workers(group)
if count > 0 then return false end
redis.call('HSET', KEYS[1], 'idle ' .. group, text(now()))
return group
