-- What the scripts of a log share; each begins with this text. A log is the message log of a room or of an inbox.
--
-- KEYS[1] meta     hash: base (where the log begins), top (where the next entry goes), fresh (seconds), order;
--                  trimmed: the top when it was trimmed last; floor: no cursor is below it;
--                  kinds: "<letters> <who>" about its members: g if there are groups, l if one is lossy, w if one is
--                  in no group; who could answer a request: "*" anybody's, an instance's name: all but its own, which
--                  is the only one there; nothing: nobody;
--                  prior and skip: base of the log before, whose end a failover lost, and how far the places jumped;
--                  groups: how many there are; "end <group>": how far it was given out; "idle <group>": since when it
--                  has no members;
--                  "><instance>/<channel>": "<last number>" or "<last number> <start> <origin>" of a source
-- KEYS[2] log      stream: id <place>-<ms>, one field "<size> <count> <sender>" whose value is the frame; its consumer
--                  groups are the groups, and their consumers the members of these
-- KEYS[3] members  hash: instance -> "<order> <life> <mode> <echo> <group>"
-- KEYS[4] cursors  zset: reliable member, or "/<group>" -> everything before this place is consumed
-- KEYS[5] kept     string: the last message that was sent to be kept, as it was published
-- KEYS[6] channel  where entries are published as they are appended
-- KEYS[7] who      where it is published who comes and goes
--
-- A place counts the bytes ever appended, and begins with the time in microseconds: so places never go back, also when
-- a log was lost and begins again, and how far a member is behind is one subtraction. They are below 2^53, where
-- Lua's numbers are exact.
--
-- A call inside a script costs 2 to 3 µs beside what it does, and more when the server was idle before. So what an
-- append needs stands in one hash: it is read with one call, and written with one.

local LIFETIME = 7200 -- seconds that a log outlives its last use
local FRESH = 60
local TRIM = 65536

local function text(number) return string.format('%.0f', number) end

-- Return the time in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Keep what is in use; once in a minute is enough, unless a key is new.
local function touch(seconds)
  redis.call('HSET', KEYS[1], 'fresh', text(seconds))
  for key = 1, 5 do redis.call('EXPIRE', KEYS[key], LIFETIME) end
end

-- Begin a log; return where.
local function begin()
  local base = now()
  redis.call('HSET', KEYS[1], 'base', text(base), 'top', text(base), 'trimmed', text(base))
  return base
end

-- Return base and top, of a new log if there is none.
local function open()
  local meta = redis.call('HMGET', KEYS[1], 'base', 'top')
  if meta[1] then return tonumber(meta[1]), tonumber(meta[2]) end
  local base = begin()
  return base, base
end

-- Return the number in what is known of a source.
local function number_of(stood)
  if not stood then return 0 end
  return tonumber(stood) or tonumber(string.match(stood, '^%d+'))
end

-- Store an entry. What begins before ``threshold`` is not needed any more; looking what can be trimmed takes as long as
-- all the rest, so it is done each 64 KiB, and ``threshold`` is 0 otherwise.
local function store(id, threshold, about, frame)
  if threshold > 0 then
    redis.call('XADD', KEYS[2], 'MINID', '~', text(threshold), id, about, frame)
  else
    redis.call('XADD', KEYS[2], id, about, frame)
  end
end

-- Return an entry as it is published. ``shown``: bytes of the frame in it, the rest is fetched; 0: all.
local function published(top, size, milliseconds, frame, shown)
  if shown > 0 then return struct.pack('>I8I8I8I8', top, size, milliseconds, 1) .. string.sub(frame, 1, shown) end
  return struct.pack('>I8I8I8I8', top, size, milliseconds, 0) .. frame
end

-- Note which kinds of members there are, and the lowest cursor.
local function survey()
  local letters, who, members = '', '', redis.call('HGETALL', KEYS[3])
  local lossy, whole = false, false
  for at = 1, #members, 2 do
    local mode, echo, group = string.match(members[at + 1], '^%d+ %d+ (%a+) (%d) (.*)$')
    lossy = lossy or mode ~= 'reliable'
    whole = whole or group == ''
    if mode ~= 'observer' then who = (who == '' and echo == '0') and members[at] or '*' end
  end
  if redis.call('HEXISTS', KEYS[1], 'groups') == 1 then letters = 'g' end
  if lossy then letters = letters .. 'l' end
  if whole then letters = letters .. 'w' end
  redis.call('HSET', KEYS[1], 'kinds', letters .. ' ' .. who)
  local slowest = redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')
  if slowest[2] then
    redis.call('HSET', KEYS[1], 'floor', slowest[2])
  else
    redis.call('HDEL', KEYS[1], 'floor')
  end
end

-- The instances that are members of a group, as keys of a table, and how many they are.
local function workers(group)
  local found, count, members = {}, 0, redis.call('HGETALL', KEYS[3])
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
  redis.call('ZADD', KEYS[4], place, '/' .. group)
end
