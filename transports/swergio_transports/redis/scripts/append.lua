-- Append a batch to a log, unless it is there already: whoever does not know whether it was may ask again.
--
-- ARGV: source, after, first, last, count, flags, size, limit, history, head, verb, sender, frame, origin
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
--   origin   base of the log that acknowledged the message before, for members who wonder whether they had that
-- Returns {code, detail}: 0 it is there (base of the log); 1 full (the slowest member); 2 nobody would get it;
--   3 the one before it is missing (the last number there); 4 a part of it is there (the last number there);
--   5 a group shares messages, and this is a batch of several
--
-- A call inside a script costs 1.5 µs, formatting a number almost as much: the common case makes eight calls.

local source, sender, verb, frame = ARGV[1], ARGV[12], ARGV[11], ARGV[13]
local last, flags, size = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[7])

local function flag(bit_) return bit.band(flags, bit_) ~= 0 end

local stood = redis.call('HGET', KEYS[3], source)
local known = stood and tonumber(string.match(stood, '^%d+')) or 0
if known >= last then return {0, tonumber(redis.call('HGET', KEYS[1], 'base') or 0)} end
if known >= tonumber(ARGV[3]) then return {4, known} end
if flag(4) then return {2, 0} end
if known ~= tonumber(ARGV[2]) and not flag(1) then return {3, known} end

local slowest = redis.call('ZRANGE', KEYS[5], 0, 0, 'WITHSCORES')
if flag(16) then
  if not slowest[1] then return {2, 0} end
elseif flag(2) then
  local answers, members = false, redis.call('HGETALL', KEYS[4])
  for at = 1, #members, 2 do
    local mode, echo = string.match(members[at + 1], '^%d+ %d+ (%a+) (%d)')
    answers = answers or mode ~= 'observer' and (members[at] ~= sender or echo == '1')
  end
  if not answers then return {2, 0} end
end

local base, top, stale, more = open('groups', 'whole', 'lossy', 'skip', 'trimmed')
local groups, whole, lossy, skip, trimmed = unpack(more, 4, 8)
trimmed = trimmed or base
local limit = tonumber(ARGV[8])
if flag(64) then
  -- What is too large to be published is there to be fetched, for a short while.
  local threshold, shown = -1, 0
  if flag(32) then threshold, shown = math.max(0, top - limit), ARGV[10] end
  store(top, threshold, trimmed, size, ARGV[5], sender, frame, shown, verb)
else
  local floor = tonumber(slowest[2] or top)
  local behind = top - floor
  if floor < base then behind = behind - (skip or 0) end
  if behind >= limit then return {1, slowest[1]} end
  if groups and ARGV[5] ~= '1' then return {5, 0} end
  local history = tonumber(ARGV[9])
  if lossy then history = math.max(history, math.floor(limit / 4)) end -- the most that they may keep
  -- Those who share get it when they ask, and only one of them.
  local shown = (flag(32) or (groups and not whole)) and ARGV[10] or 0
  local threshold = math.max(0, math.min(floor, top - history))
  local time = store(top, threshold, trimmed, size, ARGV[5], sender, frame, shown, verb)
  if flag(8) then redis.call('SET', KEYS[6], struct.pack('>I8I8I8I8', top, size, time, 0) .. frame, 'EX', LIFETIME) end
end
local stands = ARGV[4]
if stood then
  stands = string.gsub(stood, '^%d+', stands)
elseif ARGV[2] ~= '0' then
  stands = stands .. ' ' .. ARGV[2] .. ' ' .. ARGV[14]
end
redis.call('HSET', KEYS[3], source, stands)
if stale or not stood then touch() end
if flag(64) and flag(32) then redis.call('EXPIRE', KEYS[2], FRESH) end
return {0, base}
