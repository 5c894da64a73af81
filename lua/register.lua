-- register.lua - say that a node has or may have members in a room, before it puts any in.
--
-- USES clock, room
--
-- Atomic because: a node that was reaped and forgotten must not come to life again.
--
-- KEYS[1]  rc:nodes             zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:NODE:rooms   set
-- KEYS[3]  rc:events            channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  node
-- ARGV[2]  room
-- Returns  1 if the room is new to the set, 0 if not, or -1: Redis does not know the node (any
--          more), which needs another name
--
-- Cost O(1). What is no set is replaced by one. The set makes reaping quick; which nodes have
-- members tells rc:{ROOM}:nodes.

if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    return -1
elseif not has_type(KEYS[2], 'set') then
    redis.call('DEL', KEYS[2])
elseif redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 1 then
    return 0 -- also if memory is full
end
return redis.call('SADD', KEYS[2], ARGV[2])
