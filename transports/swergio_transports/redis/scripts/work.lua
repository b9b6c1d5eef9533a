-- Finish work of a group, and take more.
--
-- ARGV: group, instance, echo, count, verb, mine, then ids of what is finished
--   count  how many messages to take
--   mine   1: what is the instance's already comes first; it does not know of it, as an answer was lost
-- Returns {-1} if the instance is not (any more) a member, else {top, entries...}: of each
--   {id, "<size> <count> <sender>", frame, how often it was given to somebody}.
--
-- What a member may not have, as it sent it, is given to a consumer called "/", which is nobody: as what is left of
-- members that have gone it waits there for somebody else.

local group, instance, echo, count = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
redis.call('EXPIRE', KEYS[1], LIFETIME) -- first: a full server takes the others behind it
if #ARGV > 6 then redis.call('XACK', KEYS[2], group, unpack(ARGV, 7)) end
local taken, there, others = {}, workers(group)
if not there[instance] then return {-1} end
local alone = others < 2

local function take(entry, times)
  table.insert(taken, {entry[1], entry[2][1], entry[2][2], times})
end

local function sender_of(entry) return string.match(entry[2][1], '^%d+ %d+ (.*)$') end

if ARGV[6] == '1' then
  for _, pending in ipairs(redis.call('XPENDING', KEYS[2], group, '-', '+', 1000, instance)) do
    local entry = redis.call('XRANGE', KEYS[2], pending[1], pending[1])[1]
    if entry then take(entry, pending[4]) else redis.call('XACK', KEYS[2], group, pending[1]) end
  end
end

for _, consumer in ipairs(redis.call('XPENDING', KEYS[2], group)[4] or {}) do
  if #taken >= count then break end
  if not there[consumer[1]] then
    for _, pending in ipairs(redis.call('XPENDING', KEYS[2], group, '-', '+', 100, consumer[1])) do
      if #taken >= count then break end
      local entry = redis.call('XRANGE', KEYS[2], pending[1], pending[1])[1]
      if entry and (echo or sender_of(entry) ~= instance) then
        redis.call('XCLAIM', KEYS[2], group, instance, 0, pending[1], 'RETRYCOUNT', pending[4] + 1, 'JUSTID')
        take(entry, pending[4] + 1)
      elseif not entry or alone then
        redis.call('XACK', KEYS[2], group, pending[1])
      end
    end
  end
end

local passed = 0
while #taken < count do
  local answer = redis.call('XREADGROUP', 'GROUP', group, instance, 'COUNT', count - #taken, 'STREAMS', KEYS[2], '>')
  local entries = answer and answer[1][2] or {}
  for _, entry in ipairs(entries) do
    local place, size, holds = string.match(entry[1], '^%d+'), string.match(entry[2][1], '^(%d+) (%d+)')
    redis.call('HSET', KEYS[1], 'end ' .. group, text(place + size))
    if holds == '0' or (alone and not echo and sender_of(entry) == instance) then
      redis.call('XACK', KEYS[2], group, entry[1])
    elseif not echo and sender_of(entry) == instance then
      redis.call('XCLAIM', KEYS[2], group, '/', 0, entry[1], 'RETRYCOUNT', 0, 'JUSTID')
      passed = passed + 1
    else
      take(entry, 1)
    end
  end
  if #entries == 0 or passed > 100 then break end
end
if passed > 0 then redis.call(ARGV[5], KEYS[7], '') end
advance(group)
return {tonumber(redis.call('HGET', KEYS[1], 'top') or 0), unpack(taken)}
