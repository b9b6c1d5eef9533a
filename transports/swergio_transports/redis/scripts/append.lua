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
--   size     what it counts for; limit: what members may be behind; history: what stays though nobody needs it
--   head     bytes of the frame before its payload
--   origin   base of the log that acknowledged the message before, for members who wonder whether they had that
--   milliseconds  the time, as far as the sender knows the server's
-- Returns {code, detail}: 0 it is there (base of the log); 1 full (the slowest member); 2 nobody would get it;
--   3 the one before it is missing (the last number there); 4 a part of it is there (the last number there);
--   5 a group shares messages, and this is a batch of several

local source, verb, sender, frame, milliseconds = ARGV[1], ARGV[10], ARGV[11], ARGV[12], ARGV[14]
local last, count, flags, size = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function flag(bit_) return bit.band(flags, bit_) ~= 0 end

local meta = redis.call('HMGET', KEYS[1], 'base', 'top', 'trimmed', 'floor', 'kinds', 'fresh', source)
local base, stood = tonumber(meta[1] or 0), meta[7]
local known = number_of(stood)
if known >= last then return {0, base} end
if known > last - count then return {4, known} end
if flag(4) then return {2, 0} end
if known ~= tonumber(ARGV[2]) and not flag(1) then return {3, known} end

local letters, who = string.match(meta[5] or ' ', '^(%a*) (.*)$')
if flag(16) then
  if letters == '' then return {2, 0} end
elseif flag(2) and (who == '' or who == sender) then
  return {2, 0}
end

if not meta[1] then base = begin() end
local top, trimmed, floor = tonumber(meta[2] or base), tonumber(meta[3] or base), tonumber(meta[4])
local limit, shown, looked = tonumber(ARGV[7]), 0, false
if flag(64) then
  -- What is too large to be published is there to be fetched, for a short while.
  if flag(32) then
    shown = tonumber(ARGV[9])
    store(text(top) .. '-' .. milliseconds, math.max(0, top - limit), ARGV[6] .. ' ' .. ARGV[4] .. ' ' .. sender, frame)
  end
else
  local groups, threshold = string.find(letters, 'g'), 0
  if groups and count ~= 1 then return {5, 0} end
  local trim = top - trimmed + size > TRIM
  if trim or not floor or top - floor >= limit then
    local slowest = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
    looked, floor = true, tonumber(slowest[2] or top)
    local behind = top - floor
    if floor < base then behind = behind - (redis.call('HGET', KEYS[1], 'skip') or 0) end
    if behind >= limit then return {1, slowest[1]} end
    if trim then
      local history = tonumber(ARGV[8])
      if string.find(letters, 'l') then history = math.max(history, math.floor(limit / 4)) end -- the most they may keep
      threshold, trimmed = math.max(0, math.min(floor, top - history)), top
    end
  end
  -- Those who share get it when they ask, and only one of them.
  if flag(32) or (groups and not string.find(letters, 'w')) then shown = tonumber(ARGV[9]) end
  store(text(top) .. '-' .. milliseconds, threshold, ARGV[6] .. ' ' .. ARGV[4] .. ' ' .. sender, frame)
end
local message = published(top, size, milliseconds, frame, shown)
redis.call(verb, KEYS[6], message)
if flag(8) and not flag(64) then
  if shown > 0 then message = published(top, size, milliseconds, frame, 0) end
  redis.call('SET', KEYS[5], message, 'EX', LIFETIME)
end

local stands = ARGV[3]
if stood and not tonumber(stood) then
  stands = string.gsub(stood, '^%d+', stands)
elseif not stood and ARGV[2] ~= '0' then
  stands = stands .. ' ' .. ARGV[2] .. ' ' .. ARGV[13]
end
if looked then
  redis.call(
    'HSET', KEYS[1], 'top', text(top + size), source, stands, 'trimmed', text(trimmed), 'floor', text(floor)
  )
else
  redis.call('HSET', KEYS[1], 'top', text(top + size), source, stands)
end
local seconds = milliseconds / 1000
if not stood or seconds - (meta[6] or 0) > FRESH then touch(seconds) end
if flag(64) and flag(32) then redis.call('EXPIRE', KEYS[2], FRESH) end
return {0, base}
