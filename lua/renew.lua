-- renew.lua - keep a room alive that somebody is in, and say where it stands.
--
-- Atomic because: a room that has just become empty has its countdown, which must not
-- be prolonged.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:on:NODE   hash
-- KEYS[4]  rc:{ROOM}:history   list
-- ARGV[1]  keep_ms             how long the keys of a room in use live
-- Returns  {epoch, seq, users on this node}, epoch '' if there is no such room
--
-- Cost O(1).

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local users = redis.call('HLEN', KEYS[3])

if redis.call('EXISTS', KEYS[2]) == 1 then
    for i = 1, 4 do
        redis.call('PEXPIRE', KEYS[i], ARGV[1])
    end
end
return {meta[1] or '', tonumber(meta[2] or 0), users}
