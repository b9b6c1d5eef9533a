-- What scripts share that look into a log, or append to it what is no batch; it stands behind the prelude.

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
