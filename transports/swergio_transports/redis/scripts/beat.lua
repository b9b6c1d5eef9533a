-- Say that an instance is alive.
--
-- KEYS: alive, record. ARGV: life, milliseconds until it counts as gone
-- Returns 1; 0 if it was given up meanwhile, and has to enter again as another life.

if redis.call('HGET', KEYS[2], 'life') ~= ARGV[1] or redis.call('HEXISTS', KEYS[2], 'dead') == 1 then return 0 end
redis.call('EXPIRE', KEYS[2], 86400) -- first: behind a write that needs no memory a full server takes the others too
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
