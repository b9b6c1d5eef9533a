-- What scripts share that change who is a member, or give work to groups; it stands behind the prelude.

-- Note which kinds of members there are, and the lowest cursor.
local function survey()
  local letters, lonely, members = '', '*', redis.call('HGETALL', KEYS[3])
  local lossy, whole = false, false
  for at = 1, #members, 2 do
    local mode, echo, group = string.match(members[at + 1], '^%d+ %d+ (%a+) (%d) (.*)$')
    lossy = lossy or mode ~= 'reliable'
    whole = whole or group == ''
    if mode ~= 'observer' then lonely = (lonely == '*' and echo == '0') and members[at] or '-' end
  end
  if redis.call('HEXISTS', KEYS[1], 'groups') == 1 then letters = 'g' end
  if lossy then letters = letters .. 'l' end
  if whole then letters = letters .. 'w' end
  redis.call('HSET', KEYS[1], 'kinds', letters, 'lonely', lonely)
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
