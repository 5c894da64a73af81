-- index.lua - write rooms into the indexes that listings page through.
--
-- USES clock, notice
--
-- Atomic because: both indexes must hold the same rooms.
--
-- KEYS[1]  rc:rooms             zset     room -> last activity (ms)
-- KEYS[2]  rc:rooms:members     zset     room -> members
-- KEYS[3]  rc:events            channel  of the fleet: is told of rooms that are new
-- ARGV[…]  two a room: room; its members, which the caller has just read, '' if it is gone
-- Returns  how many rooms are new in the index
--
-- Cost O(rooms in the call * log rooms). A room that is gone is not put in; if it is in,
-- it counts as empty, until it is taken off (unindex.lua).

local now = now_ms()
local new = 0

redis.call('ZCARD', KEYS[2]) -- of another type: fails before the first write
redis.call('ZREM', KEYS[1], '') -- no room; after it, full memory refuses nothing
for i = 1, #ARGV, 2 do
    local room, members = ARGV[i], ARGV[i + 1]
    if members == '' then
        redis.call('ZADD', KEYS[2], 'XX', 0, room) -- where the slow walk looks
    else
        if redis.call('ZADD', KEYS[1], now, room) == 1 then
            new = new + 1
            redis.call('PUBLISH', KEYS[3], '{"type":"room_opened","room":' .. json_name(room) .. '}')
        end
        redis.call('ZADD', KEYS[2], members, room)
    end
end
return new
