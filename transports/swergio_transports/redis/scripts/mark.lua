-- Say where a source goes on, in a log that may have lost what it sent before.
--
-- ARGV: source, number, origin, size, verb, frame
--   number  of its last message that was acknowledged; origin: base of the log that acknowledged it
-- Returns base.

local base, top = open()
local number, size = tonumber(ARGV[2]), tonumber(ARGV[4])
if number_of(redis.call('HGET', KEYS[1], ARGV[1])) < number then
  local milliseconds = text(now() / 1000)
  store(text(top) .. '-' .. milliseconds, 0, ARGV[4] .. ' 0 ', ARGV[6])
  redis.call(ARGV[5], KEYS[7], published(top, size, milliseconds, ARGV[6], 0))
  redis.call(
    'HSET', KEYS[1], 'top', text(top + size), ARGV[1], text(number) .. ' ' .. text(number) .. ' ' .. ARGV[3]
  )
  touch(milliseconds / 1000)
end
return base
