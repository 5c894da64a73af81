-- index.lua - write rooms into the indexes that listings page through.
--
-- USES clock, notice
--
-- Atomic because: both indexes must hold the same rooms, with the count of this moment.
--
-- KEYS[1]  rc:rooms             zset     room -> last activity (ms)
-- KEYS[2]  rc:rooms:members     zset     room -> members
-- KEYS[3]  rc:events            channel  of the fleet: is told of rooms that are new
-- KEYS[…]  rc:{ROOM}:meta, rc:{ROOM}:members: a pair a room, at most 100 rooms
-- ARGV[…]  room                 in the order of the pairs
-- Returns  how many rooms are new in the index
--
-- Cost O(rooms in the call * log rooms). A room that is gone is not put in; if it is in,
-- it counts as empty, until it is taken off; so does one whose members are no hash.

local now = now_ms()
local new = 0
local members = {}

redis.call('ZCARD', KEYS[2]) -- of another type: fails before the first write
for i = 1, #ARGV do
    local is_hash = redis.call('TYPE', KEYS[2 * i + 3]).ok == 'hash'
    members[i] = is_hash and redis.call('HLEN', KEYS[2 * i + 3]) or 0
end
redis.call('ZREM', KEYS[1], '') -- no room; after it, full memory refuses nothing
for i = 1, #ARGV do
    if redis.call('EXISTS', KEYS[2 * i + 2]) == 1 then
        if redis.call('ZADD', KEYS[1], now, ARGV[i]) == 1 then
            new = new + 1
            redis.call('PUBLISH', KEYS[3], '{"type":"room_opened","room":'
                .. json_name(ARGV[i]) .. '}')
        end
        redis.call('ZADD', KEYS[2], members[i], ARGV[i])
    else
        redis.call('ZADD', KEYS[2], 'XX', 0, ARGV[i]) -- where the slow walk looks
    end
end
return new
