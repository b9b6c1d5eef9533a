-- Note until when an instance is known to be alive, and hand out those that may be gone, each to one who asks.
--
-- KEYS: registry, a zset: instance -> time in milliseconds. ARGV: instance, milliseconds
-- Returns {time in milliseconds, instances to look at...}. Who gets one has 10 s to bury it before another is asked.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('PERSIST', KEYS[1]) -- no change; behind it a full server takes what needs a little memory
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local overdue = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 16)
for _, instance in ipairs(overdue) do redis.call('ZADD', KEYS[1], now + 10000, instance) end
return {now, unpack(overdue)}
