-- Find what somebody who joins wants of what was sent before.
--
-- ARGV: until, history, last, age
--   until    the place where the membership begins, 0 for the end; history: how many bytes before it are still told
--   last     how many messages at most, -1 for any; age: how many milliseconds old at most, -1 for any
-- Returns {place to begin at, messages of the first entry to pass over}.

local till, history = tonumber(ARGV[1]), tonumber(ARGV[2])
local last, age = tonumber(ARGV[3]), tonumber(ARGV[4])
if till == 0 then till = select(2, open()) end
local place, over = till, 0
local oldest = now() / 1000 - age
local before = text(till)
while true do
  -- An id without its second part is the lowest of that place.
  local entries = redis.call('XREVRANGE', KEYS[2], '(' .. before .. '-0', '-', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local at, milliseconds = string.match(entry[1], '^(%d+)-(%d+)$')
    local count = tonumber(string.match(entry[2][1], '^%d+ (%d+)'))
    if last == 0 or (age >= 0 and tonumber(milliseconds) < oldest) or till - place >= history then
      return {place, over}
    end
    local unwanted = 0
    if till - at > history and count > 0 then
      -- As much of it as there may be; how large each of its messages is is not known here. The newest one always.
      unwanted = math.ceil(count * (till - at - history) / (place - at))
      if unwanted >= count and place < till then return {place, over} end
      unwanted = math.min(unwanted, count - 1)
    end
    place, before, over = tonumber(at), at, unwanted
    if last > 0 then
      over = math.max(over, count - last)
      last = math.max(0, last - count)
    end
  end
  if #entries < 16 then return {place, over} end
end
