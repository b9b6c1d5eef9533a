-- Write down who is there, as a new life.
--
-- KEYS: alive, record. ARGV: life, milliseconds until it counts as gone, then fields of the record, each with its value

redis.call('DEL', KEYS[2]) -- first: behind a write that needs no memory a full server takes the others too
redis.call('HSET', KEYS[2], 'life', ARGV[1])
for at = 3, #ARGV, 2 do redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
