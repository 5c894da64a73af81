-- settle.lua - what a room's meta says of where the room is, after it was moved to another Redis.
--
-- USES clock
--
-- Atomic because: a room that expires at this moment must not be left with a meta that never does.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:events    channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  shard_id
-- ARGV[2]  empty               1: its members were left behind: their gateways are gone
-- Returns  1, or 0: there is no such room, or its meta is none
--
-- Cost O(1).

if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
    return 0
end
redis.call('HDEL', KEYS[1], '') -- after it, full memory refuses nothing
redis.call('HSET', KEYS[1], 'shard_id', ARGV[1])
if ARGV[2] == '1' and redis.call('HEXISTS', KEYS[1], 'empty_since') == 0 then
    redis.call('HSET', KEYS[1], 'empty_since', now_ms())
end
return 1
