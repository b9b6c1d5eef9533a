-- Forget a group that nobody has come to for too long.
--
-- ARGV: group, milliseconds that it is waited for
-- Returns the heads of the frames that it had not finished; nothing if it is waited for still.

local group = ARGV[1]
local idle = tonumber(redis.call('HGET', KEYS[1], 'idle ' .. group) or nil)
if not idle then return {} end
if now() - idle < ARGV[2] * 1000 then return false end
local left = {}
local function tell(entry)
  if not string.match(entry[2][1], '^%d+ 0 ') then table.insert(left, string.sub(entry[2][2], 1, 4096)) end
end
for _, pending in ipairs(redis.call('XPENDING', KEYS[2], group, '-', '+', 100000)) do
  local entry = redis.call('XRANGE', KEYS[2], pending[1], pending[1])[1]
  if entry then tell(entry) end
end
local entries
repeat
  local answer = redis.call('XREADGROUP', 'GROUP', group, '/', 'COUNT', 64, 'NOACK', 'STREAMS', KEYS[2], '>')
  entries = answer and answer[1][2] or {}
  for _, entry in ipairs(entries) do tell(entry) end
until #entries == 0
redis.call('XGROUP', 'DESTROY', KEYS[2], group)
redis.call('ZREM', KEYS[4], '/' .. group)
redis.call('HDEL', KEYS[1], 'idle ' .. group, 'end ' .. group)
if redis.call('HINCRBY', KEYS[1], 'groups', -1) <= 0 then redis.call('HDEL', KEYS[1], 'groups') end
survey()
return left
