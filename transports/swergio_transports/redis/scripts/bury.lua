-- Remove what is left of an instance that was given up, unless it is there again.
--
-- KEYS: record, the metas of the lanes of its inbox, their bodies, and what else there is of it. ARGV: life, lanes
-- Returns 1 if it is gone.
--
-- Where senders stood, in the meta of lanes, stays: if the instance was only away, it is told what it missed.

local life, lanes = redis.call('HGET', KEYS[1], 'life'), tonumber(ARGV[2])
if life and (life ~= ARGV[1] or redis.call('HEXISTS', KEYS[1], 'dead') == 0) then return 0 end
for lane = 2, lanes + 1 do
  redis.call(
    'HDEL', KEYS[lane], 'base', 'top', 'trimmed', 'floor', 'kinds', 'lonely', 'fresh', 'order', 'prior', 'skip'
  )
end
for lane = lanes + 2, 2 * lanes + 1 do
  for _, body in ipairs(redis.call('ZRANGE', KEYS[lane], 0, -1)) do redis.call('UNLINK', body) end
end
redis.call('DEL', KEYS[1], unpack(KEYS, lanes + 2))
return 1
