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
-- Returns  {epoch, seq, 1 if Redis has users of this node, else 0}, epoch '' if there is
--          no such room
--
-- Nodes ask at about the same time, so only the first one prolongs what they share. A node
-- asks each three fifths of keep_ms, so a third of it is left at any time.
--
-- Cost O(1).

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local is_here = redis.call('PEXPIRE', KEYS[3], ARGV[1])
local left = redis.call('PTTL', KEYS[2]) -- -2: nobody is in

if left ~= -2 and left < ARGV[1] * 14 / 15 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[4], ARGV[1])
end
return {meta[1] or '', tonumber(meta[2] or 0), is_here}
