-- Run one command that writes, also on a server that is full: it is little, and somebody who comes in needs it.
--
-- KEYS: its key. ARGV: seconds that the key stays, 0 for ever; the command; what follows its key

if ARGV[1] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return redis.call(ARGV[2], KEYS[1], unpack(ARGV, 3))
