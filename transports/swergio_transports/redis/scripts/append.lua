-- Append a batch to a log, unless it is there already: whoever does not know whether it was may ask again.
--
-- ARGV: source, after, first, last, count, flags, size, limit, history, head, verb, sender, frame
--   after    the number of the source's message before, whose batch must be the last one there
--   flags    sum of: 1 it is the first that its sender has not acknowledged, so what was there before may be lost
--                    2 a request, for which somebody must be there to answer
--                    4 only find out whether it is there
--                    8 the room keeps its last message
--                    16 to an inbox, which must be there
--                    32 it is too large to be published
--                    64 nothing is to be recovered: it is published and no more
--   size     what it counts for; limit: what members may be behind; history: what stays though nobody needs it
--   head     bytes of the frame before its payload
-- Returns {code, detail}: 0 it is there (base of the log); 1 full (the slowest member); 2 nobody would get it;
--   3 the one before it is missing (the last number there); 4 a part of it is there (the last number there);
--   5 a group shares messages, and this is a batch of several

local source, sender, verb, frame = ARGV[1], ARGV[12], ARGV[11], ARGV[13]
local after, first, last, count = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local flags, size, limit = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local history, head = tonumber(ARGV[9]), tonumber(ARGV[10])

local function flag(bit_) return bit.band(flags, bit_) ~= 0 end

local known = number_of(source)
if known >= last then return {0, tonumber(redis.call('HGET', KEYS[1], 'base') or 0)} end
if known >= first then return {4, known} end
if flag(4) then return {2, 0} end
if known ~= after and not flag(1) then return {3, known} end

local slowest = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
if flag(16) and not slowest[1] then return {2, 0} end
if flag(2) and not flag(16) then
  local answers, members = false, redis.call('HGETALL', KEYS[4])
  for at = 1, #members, 2 do
    local mode, echo = string.match(members[at + 1], '^%d+ %d+ (%a+) (%d)')
    answers = answers or mode ~= 'observer' and (members[at] ~= sender or echo == '1')
  end
  if not answers then return {2, 0} end
end

local base, top, stale = open()
if flag(64) then
  -- What is too large to be published is there to be fetched, for a short while.
  store(top, flag(32) and math.max(0, top - limit) or -1, size, count, sender, frame, flag(32) and head or 0, verb)
  redis.call('HSET', KEYS[3], source, text(last))
  if stale or known == 0 then touch() end
  if flag(32) then redis.call('EXPIRE', KEYS[2], FRESH) end
  return {0, base}
end
local floor = slowest[2] and tonumber(slowest[2]) or top
local behind = top - floor
if floor < base then behind = behind - (redis.call('HGET', KEYS[1], 'skip') or 0) end
if behind >= limit then return {1, slowest[1]} end
local groups, shared = unpack(redis.call('HMGET', KEYS[1], 'groups', 'shared'))
if groups and count > 1 then return {5, 0} end

local members = redis.call('HLEN', KEYS[4])
-- Lossy members keep a quarter of the limit, no more.
if members > redis.call('ZCARD', KEYS[5]) + (shared or 0) then history = math.max(history, limit / 4) end
local shown = 0
-- Those who share get it when they ask, and only one of them.
if flag(32) or (groups and members == tonumber(shared)) then shown = head end
local milliseconds = store(top, math.max(0, math.min(floor, math.floor(top - history))), size, count, sender, frame,
  shown, verb)
local former = redis.call('HGET', KEYS[3], source)
local rest = former and string.match(former, '^%d+( .*)$') or ''
redis.call('HSET', KEYS[3], source, text(last) .. rest)
if flag(8) then
  redis.call('SET', KEYS[6], struct.pack('>I8I8I8I8', top, size, milliseconds, 0) .. frame, 'EX', LIFETIME)
end
if stale or not former then touch() end
return {0, base}
