-- report.lua - tell that a node is silent in a room: it is to be reaped there, unless it lives.
--
-- USES clock, room
--
-- Atomic because: a node that beats again at this moment must not become a dead one.
--
-- KEYS[1]  rc:nodes              zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:SILENT:rooms  set
-- KEYS[3]  rc:events             channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  silent                the node
-- ARGV[2]  room
-- ARGV[3]  lease_ms              a node silent for so long is dead
-- Returns  1: it lives, and must look at the room itself; 0: it is dead
--
-- Cost O(log nodes). Redis may have lost that there was such a node, or that it was in this room:
-- both are put back, so that it is reaped as any other.

local now = now_ms()
local heard = redis.call('ZSCORE', KEYS[1], ARGV[1])

if heard and tonumber(heard) > now - ARGV[3] then
    return 1
end
if not has_type(KEYS[2], 'set') then
    redis.call('DEL', KEYS[2])
end
redis.call('SADD', KEYS[2], ARGV[2])
if not heard then
    redis.call('ZADD', KEYS[1], now - ARGV[3], ARGV[1])
end
return 0
