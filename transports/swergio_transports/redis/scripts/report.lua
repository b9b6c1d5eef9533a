-- Note how far a member has handled a log; also on a server that is full, as others wait for that.
--
-- KEYS: cursors. ARGV: instance, place

redis.call('EXPIRE', KEYS[1], 7200)
redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
