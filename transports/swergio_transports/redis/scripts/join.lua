-- Make somebody a member of a log, or change how it is one; also one that was there before and may go on.
--
-- ARGV: instance, life, manner, reliable, base, next, verb, note, place, group, start
--   life      tells memberships of the same instance apart, so that a late leave does not end a newer one
--   manner    "<mode> <echo> <group>"; group: the same as in there, if there is one
--   reliable  1 if it holds its senders back
--   base      of the log as the member knew it, 0 for a new member
--   next      the place that the member has come to; place: up to where it has consumed
--   start     where the group begins if there is none of that name, 0 for the end
--   note      published for those who watch, if it is new
-- Returns {base, top, meta}: in which the positions of the sources are

local instance, life, manner = ARGV[1], ARGV[2], ARGV[3]
local reliable, known, seen = ARGV[4] == '1', tonumber(ARGV[5]), tonumber(ARGV[6])

redis.call('EXPIRE', KEYS[1], LIFETIME) -- first: a full server takes the others behind it
local base, top = open()
if known ~= 0 and top < seen then
  -- A failover lost what the member has seen: what follows is another log. What is left can still be read.
  -- It begins above whatever others may have seen.
  local new = math.max(now(), seen + 2 ^ 32)
  redis.call('HSET', KEYS[1], 'base', text(new), 'top', text(new), 'prior', text(base), 'skip', text(new - top))
  base, top = new, new
end
local former = redis.call('HGET', KEYS[3], instance)
local order = former and string.match(former, '^(%d+)') or redis.call('HINCRBY', KEYS[1], 'order', 1)
redis.call('HSET', KEYS[3], instance, order .. ' ' .. life .. ' ' .. manner)
local group = ARGV[10]
if group ~= '' then
  redis.call('ZREM', KEYS[4], instance)
  if redis.call('ZSCORE', KEYS[4], '/' .. group) == false then
    local start = ARGV[11] ~= '0' and ARGV[11] or text(top)
    redis.call('XGROUP', 'CREATE', KEYS[2], group, start .. '-0', 'MKSTREAM')
    redis.call('HSET', KEYS[1], 'end ' .. group, start)
    redis.call('HINCRBY', KEYS[1], 'groups', 1)
    redis.call('ZADD', KEYS[4], start, '/' .. group)
  end
  redis.call('HDEL', KEYS[1], 'idle ' .. group)
elseif not reliable then
  redis.call('ZREM', KEYS[4], instance)
else
  local place = top
  if known ~= 0 then
    local lowest = tonumber(redis.call('HGET', KEYS[1], 'prior') or base)
    place = math.max(lowest, math.min(tonumber(ARGV[9]), top))
  end
  redis.call('ZADD', KEYS[4], text(place), instance)
end
survey()
touch(now() / 1000000)
if not former then redis.call(ARGV[7], KEYS[8], ARGV[8]) end
return {base, top, redis.call('HGETALL', KEYS[1])}
