-- Tell where a log stands, to a member that lacks something.
--
-- ARGV: instance, next: the place that the member has come to, verb, token: published, so that the member knows when
--   all that came before has reached it; nothing if it is empty
-- Returns {base, top, 1 if it is a member, place of the first entry from there on (0 if there is none),
--   meta, in which the positions of the sources are}

local base, top = unpack(redis.call('HMGET', KEYS[1], 'base', 'top'))
if not base then return {0, 0, 0, 0, {}} end
if ARGV[4] ~= '' then redis.call(ARGV[3], KEYS[7], ARGV[4]) end
local entry = redis.call('XRANGE', KEYS[2], ARGV[2], '+', 'COUNT', 1)[1]
local first = entry and tonumber(string.match(entry[1], '^%d+')) or 0
local member = redis.call('HEXISTS', KEYS[3], ARGV[1])
return {tonumber(base), tonumber(top), member, first, redis.call('HGETALL', KEYS[1])}
