-- Append a batch to a log, unless it is there already: whoever does not know whether it was may ask again.
--
-- ARGV: source, after, last, count, flags, size, limit, history, head, verb, sender, frame, origin, milliseconds
--   source   as the field in meta
--   after    the number of the source's message before, whose batch must be the last one there
--   flags    sum of: 1 it is the first that its sender has not acknowledged, so what was there before may be lost
--                    2 a request, for which somebody must be there to answer
--                    4 only find out whether it is there
--                    8 the room keeps its last message
--                    16 to an inbox, which must be there
--                    32 it is too large to be published
--                    64 nothing is to be recovered: it is published and no more
--                    128 its payload is at a key of its own: the frame is only the head of one
--   size     what it counts for; limit: what members may be behind; history: what stays though nobody needs it
--   head     bytes of the frame before its payload
--   origin   base of the log that acknowledged the message before, for members who wonder whether they had that
--   milliseconds  the time, as far as the sender knows the server's
-- Returns base of the log if it is there, else {code, detail}: 1 full (the slowest member); 2 nobody would get it;
--   3 the one before it is missing (the last number there); 4 a part of it is there (the last number there);
--   5 a group shares messages, and this is a batch of several; 6 the payload is not where it should be

local source, frame, milliseconds = ARGV[1], ARGV[12], ARGV[14]
local last, flags, size = tonumber(ARGV[3]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function flag(bit_) return bit.band(flags, bit_) ~= 0 end

local meta = redis.call('HMGET', KEYS[1], 'base', 'top', 'trimmed', 'floor', 'kinds', 'lonely', 'fresh', source)
local base, top, kinds, stood = meta[1], tonumber(meta[2]), meta[5], meta[8]
local known = 0
if stood then known = tonumber(stood) or tonumber(string.match(stood, '^%d+')) end
local body = flag(128) and KEYS[6] .. ':' .. string.sub(source, 2) .. '/' .. ARGV[3]
if known >= last then
  -- Its payload was set again, perhaps: it stays if the entry is still there.
  if body and redis.call('ZSCORE', KEYS[6], body) then
    redis.call('EXPIRE', body, LIFETIME)
  elseif body then
    redis.call('UNLINK', body)
  end
  return base or '0'
end
if known > last - ARGV[4] then return {4, known} end
if flag(4) then return {2, 0} end
if known ~= tonumber(ARGV[2]) and not flag(1) then return {3, known} end

if flag(16) then
  if not kinds or kinds == '' then return {2, 0} end
elseif flag(2) then
  local lonely = meta[6] or '*'
  if lonely == '*' or lonely == ARGV[11] then return {2, 0} end
end

local trimmed, floor
if base then
  trimmed, floor = tonumber(meta[3]), tonumber(meta[4])
else
  top = begin()
  base, trimmed = text(top), top
end
local limit, shown, threshold, looked = tonumber(ARGV[7]), 0, 0, false
if flag(64) then
  -- What is too large to be published is there to be fetched, for a short while.
  threshold = -1
  if flag(32) then shown = tonumber(ARGV[9]) end
else
  local groups = false
  if kinds and kinds ~= 'w' then
    groups = string.find(kinds, 'g')
    if groups and ARGV[4] ~= '1' then return {5, 0} end
  end
  local trim = top - trimmed + size > TRIM
  if trim or not floor or top - floor >= limit then
    local slowest = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
    looked, floor = true, tonumber(slowest[2] or top)
    local behind = top - floor
    if floor < tonumber(base) then behind = behind - (redis.call('HGET', KEYS[1], 'skip') or 0) end
    if behind >= limit then return {1, slowest[1]} end
    if trim then
      local history = tonumber(ARGV[8])
      -- The most that lossy members may keep.
      if kinds and string.find(kinds, 'l') then history = math.max(history, math.floor(limit / 4)) end
      threshold, trimmed = math.max(0, math.min(floor, top - history)), top
    end
  end
  -- Those who share get it when they ask, and only one of them.
  if flag(32) or (groups and not string.find(kinds, 'w')) then shown = tonumber(ARGV[9]) end
end

local ends = text(top + size)
if body then
  if redis.call('EXPIRE', body, flag(64) and FRESH or LIFETIME) == 0 then return {6, 0} end
  redis.call('ZADD', KEYS[6], ends, body)
  if flag(64) then drop(text(top - limit)) end
end
-- What begins before ``threshold`` is not needed any more. Looking what can be trimmed takes as long as all the rest,
-- so it is done each 64 KiB.
local id, about = (meta[2] or base) .. '-' .. milliseconds, ARGV[6] .. ' ' .. ARGV[4] .. ' ' .. ARGV[11]
if threshold > 0 then
  threshold = text(threshold)
  drop(threshold)
  redis.call('XADD', KEYS[2], 'MINID', '~', threshold, id, about, frame)
elseif threshold == 0 then
  redis.call('XADD', KEYS[2], id, about, frame)
end
if shown == 0 then
  redis.call(ARGV[10], KEYS[7], struct.pack('>I8I8I8I8', top, size, milliseconds, 0) .. frame)
else
  local head = struct.pack('>I8I8I8I8', top, size, milliseconds, 1)
  redis.call(ARGV[10], KEYS[7], head .. string.sub(frame, 1, shown))
end
if flag(8) and not flag(64) then
  redis.call('SET', KEYS[5], struct.pack('>I8I8I8I8', top, size, milliseconds, 0) .. frame, 'EX', LIFETIME)
end

local stands = ARGV[3]
if not stood then
  if ARGV[2] ~= '0' then stands = stands .. ' ' .. ARGV[2] .. ' ' .. ARGV[13] end
elseif not tonumber(stood) then
  stands = string.gsub(stood, '^%d+', stands)
end
if looked then
  redis.call(
    'HSET', KEYS[1], 'top', ends, source, stands, 'trimmed', text(trimmed), 'floor', text(floor)
  )
else
  redis.call('HSET', KEYS[1], 'top', ends, source, stands)
end
if not stood or milliseconds / 1000 - (meta[7] or 0) > FRESH then touch(milliseconds / 1000) end
return base
