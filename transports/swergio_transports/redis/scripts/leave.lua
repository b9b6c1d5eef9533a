-- End a membership.
--
-- ARGV: instance, life, verb, note
--   life   of the membership, or of a later one, which is left alone if it is above this
-- Returns 1 if it was a member.

local former = redis.call('HGET', KEYS[4], ARGV[1])
if not former or tonumber(string.match(former, '^%d+ (%d+)')) > tonumber(ARGV[2]) then return 0 end
redis.call('HDEL', KEYS[4], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
redis.call(ARGV[3], KEYS[8], ARGV[4])
return 1
