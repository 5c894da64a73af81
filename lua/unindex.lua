-- unindex.lua - take rooms that are gone off the indexes.
--
-- USES notice
--
-- Atomic because: a room that was recreated in the meantime must stay: its score is another.
--
-- KEYS[1]  rc:rooms             zset     room -> last activity (ms)
-- KEYS[2]  rc:rooms:members     zset     room -> members
-- KEYS[3]  rc:events            channel  of the fleet
-- ARGV[1]  what                 the fleet is told of a room that this call took off:
--          room_expired or room_closed
-- ARGV[…]  two a room: room; its score in rc:rooms, '' if it has none, as read before its meta was
--          looked for and not found
-- Returns  the rooms that this call took off: the caller logs and counts them
--
-- Cost O(rooms in the call * log rooms).

local gone = {}

redis.call('ZCARD', KEYS[2]) -- of another type: fails before the first write
for i = 2, #ARGV, 2 do
    local room = ARGV[i]
    if (redis.call('ZSCORE', KEYS[1], room) or '') == ARGV[i + 1] then
        redis.call('ZREM', KEYS[2], room)
        if redis.call('ZREM', KEYS[1], room) == 1 then
            gone[#gone + 1] = room
            redis.call('PUBLISH', KEYS[3], '{"type":"' .. ARGV[1] .. '","room":'
                .. json_name(room) .. '}')
        end
    end
end
return gone
