-- What the scripts of a log share; each begins with this text. A log is the message log of a room or of an inbox.
--
-- KEYS[1] meta     hash: base (where the log begins), top (where the next entry goes), fresh, order;
--                  prior and skip: base of the log before, whose end a failover lost, and how far the places jumped;
--                  groups: how many there are; lossy and whole: there if a member is lossy, or in no group;
--                  "end <group>": how far it was given out; "idle <group>": since when it has no members
-- KEYS[2] log      stream: id <place>-<ms>, one field "<size> <count> <sender>" whose value is the frame; its consumer
--                  groups are the groups, and their consumers the members of these
-- KEYS[3] sources  hash: "<instance>/<channel>" -> "<last number>" or "<last number> <start> <origin>"
-- KEYS[4] members  hash: instance -> "<order> <life> <mode> <echo> <group>"
-- KEYS[5] cursors  zset: reliable member, or "/<group>" -> everything before this place is consumed
-- KEYS[6] kept     string: the last message that was sent to be kept, as it was published
-- KEYS[7] channel  where entries are published as they are appended
-- KEYS[8] who      where it is published who comes and goes
--
-- A place counts the bytes ever appended, and begins with the time in microseconds: so places never go back, also when
-- a log was lost and begins again, and how far a member is behind is one subtraction. They are below 2^53, where
-- Lua's numbers are exact.

local LIFETIME = 7200 -- seconds that a log outlives its last use
local FRESH = 60
local TRIM = 65536

local function text(number) return string.format('%.0f', number) end

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- Keep what is in use; once in a minute is enough, unless a key is new.
local function touch()
  redis.call('HSET', KEYS[1], 'fresh', time[1])
  for key = 1, 6 do redis.call('EXPIRE', KEYS[key], LIFETIME) end
end

-- Return base and top, of a new log if there is none, whether it is time to touch it, and more fields of meta, from the
-- fourth on.
local function open(...)
  local meta = redis.call('HMGET', KEYS[1], 'base', 'top', 'fresh', ...)
  if meta[1] then return tonumber(meta[1]), tonumber(meta[2]), time[1] - (meta[3] or 0) > FRESH, meta end
  redis.call('HSET', KEYS[1], 'base', text(now), 'top', text(now))
  return now, now, true, meta
end

local function number_of(source)
  local value = redis.call('HGET', KEYS[3], source)
  return value and tonumber(string.match(value, '^%d+')) or 0
end

-- Store an entry and publish it. ``shown``: bytes of the frame to publish, the rest is fetched; 0: all.
-- What begins before ``threshold`` is not needed any more; below 0: do not store the entry. Looking what can be trimmed
-- takes as long as all the rest, so it is done each 64 KiB; ``trimmed`` is the end of the log the last time.
local function store(top, threshold, trimmed, size, count, sender, frame, shown, verb)
  local milliseconds = math.floor(now / 1000)
  local id, about = text(top) .. '-' .. milliseconds, size .. ' ' .. count .. ' ' .. sender
  if threshold >= 0 and top - trimmed + size > TRIM then
    redis.call('XADD', KEYS[2], 'MINID', '~', text(threshold), id, about, frame)
    redis.call('HSET', KEYS[1], 'top', text(top + size), 'trimmed', text(top))
  else
    if threshold >= 0 then redis.call('XADD', KEYS[2], id, about, frame) end
    redis.call('HSET', KEYS[1], 'top', text(top + size))
  end
  local message = struct.pack('>I8I8I8I8', top, size, milliseconds, shown ~= 0 and 1 or 0)
  redis.call(verb, KEYS[7], message .. (shown ~= 0 and string.sub(frame, 1, shown) or frame))
  return milliseconds
end

-- Note which kinds of members there are.
local function survey()
  local lossy, whole = false, false
  local members = redis.call('HGETALL', KEYS[4])
  for at = 2, #members, 2 do
    local mode, group = string.match(members[at], '^%d+ %d+ (%a+) %d (.*)$')
    lossy = lossy or mode ~= 'reliable'
    whole = whole or group == ''
  end
  redis.call('HDEL', KEYS[1], 'lossy', 'whole')
  if lossy then redis.call('HSET', KEYS[1], 'lossy', 1) end
  if whole then redis.call('HSET', KEYS[1], 'whole', 1) end
end

-- The instances that are members of a group, as keys of a table, and how many they are.
local function workers(group)
  local found, count, members = {}, 0, redis.call('HGETALL', KEYS[4])
  for at = 1, #members, 2 do
    if string.match(members[at + 1], '^%d+ %d+ %a+ %d (.*)$') == group then
      found[members[at]] = true
      count = count + 1
    end
  end
  return found, count
end

-- Move the cursor of a group to the first place that is not finished.
local function advance(group)
  local oldest = redis.call('XPENDING', KEYS[2], group, '-', '+', 1)[1]
  local place = oldest and string.match(oldest[1], '^%d+') or redis.call('HGET', KEYS[1], 'end ' .. group)
  redis.call('ZADD', KEYS[5], place, '/' .. group)
end
