-- unindex.lua - take expired rooms off the indexes.
--
-- USES notice
--
-- Atomic because: a room that was made again in the meantime must stay.
--
-- KEYS[1]  rc:rooms             zset     room -> last activity (ms)
-- KEYS[2]  rc:rooms:members     zset     room -> members
-- KEYS[3]  rc:events            channel  of the fleet
-- KEYS[…]  rc:{ROOM}:meta       hash     one a room
-- ARGV[1]  what                 the fleet is told of a room that this call took off:
--          room_expired or room_closed
-- ARGV[…]  room                 in the same order
-- Returns  the rooms that this call took off: the caller logs and counts them
--
-- Cost O(rooms in the call * log rooms).

local gone = {}

if redis.call('EXISTS', unpack(KEYS, 4)) == #KEYS - 3 then
    return gone
end
redis.call('ZCARD', KEYS[1]) -- of another type: fails before the first write
for i = 2, #ARGV do
    if redis.call('EXISTS', KEYS[i + 2]) == 0 then
        redis.call('ZREM', KEYS[2], ARGV[i])
        if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
            gone[#gone + 1] = ARGV[i]
            redis.call('PUBLISH', KEYS[3], '{"type":"' .. ARGV[1] .. '","room":'
                .. json_name(ARGV[i]) .. '}')
        end
    end
end
return gone
