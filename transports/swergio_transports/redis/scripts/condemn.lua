-- Give an instance up, if it is not alive.
--
-- KEYS: alive, record. ARGV: 1 to give it up in any case
-- Returns its record, flat; nothing if it is alive.

if ARGV[1] == '1' then redis.call('DEL', KEYS[1]) end
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
redis.call('EXPIRE', KEYS[2], 86400) -- first, for a full server
redis.call('HSET', KEYS[2], 'dead', 1)
return redis.call('HGETALL', KEYS[2])
