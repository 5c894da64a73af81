-- room.lua - read what there is to say of a room.
--
-- Atomic because: whether a room counts down, and how long, must agree with its members.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:history   list
-- ARGV[1]  room                returned as it is, so that an answer tells what it is about
-- Returns  {room, epoch, seq, shard_id, created_at, members, ms left, messages in the
--          history}, or {room}: it is gone
--
-- Cost O(1).

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'shard_id', 'created_at')
if not meta[1] then
    return {ARGV[1]}
end
return {ARGV[1], meta[1], tonumber(meta[2]), tonumber(meta[3]), tonumber(meta[4]),
    redis.call('HLEN', KEYS[2]), redis.call('PTTL', KEYS[1]), redis.call('LLEN', KEYS[3])}
