-- user.lua - a connection of a user has come: count it, and tell all of the user's where there are more
-- than there may be.
--
-- USES clock, room
--
-- Atomic because: of two that come at the same moment, one at least must see that there are too many.
--
-- KEYS[1]  rc:user:{USER}:conns  zset     `<node> <serial>` -> when it came (ms)
-- ARGV[1]  conn                  `<node> <serial>`
-- ARGV[2]  most                  how many there may be
-- ARGV[3]  keep_ms               those that came earlier do not count
-- Returns  nothing, or where there are too many all of them, the oldest first
--
-- Cost O(log connections), and O(connections) where there are too many. Who is gone with its node is still
-- among them: the caller finds out, for the nodes stand elsewhere.

local now = now_ms()

if not has_type(KEYS[1], 'zset') then
    redis.call('DEL', KEYS[1])
end
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3], 'LIMIT', 0, 1000)
if #old > 0 then
    redis.call('ZREM', KEYS[1], unpack(old))
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if redis.call('ZCARD', KEYS[1]) <= tonumber(ARGV[2]) then
    return {}
end
return redis.call('ZRANGE', KEYS[1], 0, 4095)
