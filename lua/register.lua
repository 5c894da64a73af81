-- register.lua - say that a node has or may have members in a room, before it puts any in.
--
-- Atomic because: a node that Redis has forgotten, as one that was emptied does, must be
-- found by those who look for silent ones as soon as it may have members again: it may
-- be killed before its next heartbeat.
--
-- KEYS[1]  rc:nodes             zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:NODE:rooms   set
-- ARGV[1]  node
-- ARGV[2]  room
-- Returns  1 if the room is new to the set, else 0
--
-- Cost O(log nodes).

local time = redis.call('TIME')

if redis.call('SISMEMBER', KEYS[2], ARGV[2]) == 1 and redis.call('ZSCORE', KEYS[1], ARGV[1]) then
    return 0 -- also if memory is full
end
redis.call('ZADD', KEYS[1], 'NX', time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
return redis.call('SADD', KEYS[2], ARGV[2])
