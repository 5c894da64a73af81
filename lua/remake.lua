-- remake.lua - begin a new epoch in a room whose tail Redis lost.
--
-- USES clock, room
--
-- Atomic because: several gateways find out at once, and only the first may do it.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev
-- KEYS[2]  rc:{ROOM}:members   hash     emptied: each node puts its users back (sync.lua)
-- ARGV[1]  known               the epoch in which numbers were seen that Redis has not
-- ARGV[2]  epoch               the new one
-- Returns  the epoch of the room now, or false: no such room
--
-- Cost O(members). Fields of rc:{ROOM}:on:NODE under the old epoch count as absent, and
-- without keys_at so do the keys of messages (publish.lua).

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'rev')
local epoch, rev = meta[1], whole(meta[2])
if epoch ~= ARGV[1] then
    return epoch
end
rev = rev or 0 -- no whole number: as in sync.lua
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'rev', digits(rev + 1))
redis.call('HDEL', KEYS[1], 'keys_at')
redis.call('DEL', KEYS[2])
return ARGV[2]
