-- Drop everything that no reliable member needs, as the server's memory is full.

local slowest = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
local floor = slowest[2] or redis.call('HGET', KEYS[1], 'top')
if floor then
  redis.call('XTRIM', KEYS[2], 'MINID', floor)
  drop(floor)
end
