-- Remove what is left of an instance that was given up, unless it is there again.
--
-- KEYS: record, and what else there is of it. ARGV: life
-- Returns 1 if it is gone.

local life = redis.call('HGET', KEYS[1], 'life')
if life and (life ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'dead') == 0) then return 0 end
redis.call('DEL', unpack(KEYS))
return 1
