-- What the scripts of a log share; each begins with this text. A log is the message log of a room or of an inbox.
--
-- KEYS[1] meta     hash: base (where the log begins), top (where the next entry goes), fresh (seconds), order;
--                  trimmed: the top when it was trimmed last; floor: no cursor is below it;
--                  kinds: letters about its members: g if there are groups, l if one is lossy, w if one is in no
--                  group; who: whose requests find nobody: "-" nobody's, "*" everybody's, or those of an instance,
--                  which is the only one there and does not hear itself;
--                  prior and skip: base of the log before, whose end a failover lost, and how far the places jumped;
--                  groups: how many there are; "end <group>": how far it was given out; "idle <group>": since when it
--                  has no members;
--                  "><instance>/<channel>": "<last number>" or "<last number> <start> <origin>" of a source
-- KEYS[2] log      stream: id <place>-<ms>, one field "<size> <count> <sender>" whose value is the frame; its consumer
--                  groups are the groups, and their consumers the members of these
-- KEYS[3] members  hash: instance -> "<order> <life> <mode> <echo> <group>"
-- KEYS[4] cursors  zset: reliable member, or "/<group>" -> everything before this place is consumed
-- KEYS[5] kept     string: the last message that was sent to be kept, as it was published
-- KEYS[6] bodies   zset: key of a large payload -> end of its entry
-- KEYS[7] channel  where entries are published as they are appended
-- KEYS[8] who      where it is published who comes and goes
--
-- A large payload is at a key of its own, "<bodies>:<instance>/<channel>/<last number>", which its sender sets before
-- it calls the script, and the entry holds the head of the frame alone. A payload that passed through Lua into the
-- stream would be copied four times more by the server.
--
-- A place counts the bytes ever appended, and begins with the time in microseconds: so places never go back, also when
-- a log was lost and begins again, and how far a member is behind is one subtraction. They are below 2^53, where
-- Lua's numbers are exact.
--
-- A call inside a script costs about 2 µs beside what it does (Valkey 9.1), an answer that is a table 3 µs more than
-- one that is none, and a local function 0.2 µs. So what an append needs stands in one hash, which is read with one
-- call and written with one; and what only others need is in files of its own.

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
  for key = 1, 6 do redis.call('EXPIRE', KEYS[key], LIFETIME) end
  for _, body in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do redis.call('EXPIRE', body, LIFETIME) end
end

-- Remove the large payloads of entries that end before ``threshold``.
local function drop(threshold)
  local gone = redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', threshold, 'LIMIT', 0, 1000)
  if gone[1] then
    redis.call('UNLINK', unpack(gone))
    redis.call('ZREM', KEYS[6], unpack(gone))
  end
end

-- Begin a log; return where.
local function begin()
  local base = now()
  redis.call('HSET', KEYS[1], 'base', text(base), 'top', text(base), 'trimmed', text(base))
  return base
end
