-- Say where a source goes on, in a log that may have lost what it sent before.
--
-- ARGV: source, number, origin, size, verb, frame
--   number  of its last message that was acknowledged; origin: base of the log that acknowledged it
-- Returns base.

local base, top = open()
local number, size = tonumber(ARGV[2]), tonumber(ARGV[4])
if number_of(ARGV[1]) < number then
  redis.call('HSET', KEYS[3], ARGV[1], text(number) .. ' ' .. text(number) .. ' ' .. ARGV[3])
  store(top, 0, top, size, 0, '', ARGV[6], 0, ARGV[5])
  touch()
end
return base
