-- unindex.lua - take expired rooms off the indexes.
--
-- Atomic because: a room that was made again in the meantime must stay.
--
-- KEYS[1]  rc:rooms             zset     room -> last activity (ms)
-- KEYS[2]  rc:rooms:members     zset     room -> members
-- KEYS[…]  rc:{ROOM}:meta       hash     one a room
-- ARGV[…]  room                 in the same order
-- Returns  the rooms that this call took off: whoever gets them logs and counts them
--
-- Cost O(rooms in the call * log rooms).

local gone = {}

redis.call('ZCARD', KEYS[1]) -- of another type: fails before the first write
for i = 1, #ARGV do
    if redis.call('EXISTS', KEYS[i + 2]) == 0 then
        redis.call('ZREM', KEYS[2], ARGV[i])
        if redis.call('ZREM', KEYS[1], ARGV[i]) == 1 then
            gone[#gone + 1] = ARGV[i]
        end
    end
end
return gone
