-- forget.lua - forget a dead node once nobody is left of it.
--
-- Atomic because: a node whose rooms are not all reaped must stay where the others
-- look for silent ones.
--
-- KEYS[1]  rc:nodes             zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:DEAD         hash
-- KEYS[3]  rc:node:DEAD:rooms   set      rooms that are not reaped yet
-- KEYS[4]  rc:node:DEAD:claim   string
-- KEYS[5]  rc:events            channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  dead                 the node
-- Returns  1 if this call removed it, else 0
--
-- Cost O(log nodes).

if redis.call('EXISTS', KEYS[3]) == 1 then
    return 0
end
local removed = redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2], KEYS[4])
return removed
