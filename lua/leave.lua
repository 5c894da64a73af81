-- leave.lua - take a user of one node out of a room.
--
-- Atomic because: the count of nodes a user is on, the revision, the notice and the
-- start of an empty room's countdown must agree.
--
-- KEYS[1]  rc:{ROOM}:meta       hash
-- KEYS[2]  rc:{ROOM}:members    hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE    hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history    list
-- KEYS[5]  rc:{ROOM}:events     channel
-- ARGV[1]  user
-- ARGV[2]  token                the user, percent-encoded, for the notice's header
-- ARGV[3]  event                the JSON of member_left up to the count
-- ARGV[4]  ttl_ms               how long an empty room lives
-- ARGV[5]  events_max           no member_left in rooms with more members
-- ARGV[6]  counts               0: they were put out, so members does not hold them for
--          this node any more, but may for another one that they came back through
-- Returns  {members left, users left on this node}
--
-- Cost O(1). Somebody who is not in, or came in under another epoch, changes nothing.

local user = ARGV[1]
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local came_in = redis.call('HGET', KEYS[3], user)
redis.call('HLEN', KEYS[2]) -- of another type: fails before the first write
if came_in then
    redis.call('HDEL', KEYS[3], user)
end
if ARGV[6] ~= '0' and epoch and came_in == epoch and redis.call('HEXISTS', KEYS[2], user) == 1
    and redis.call('HINCRBY', KEYS[2], user, -1) < 1 then
    redis.call('HDEL', KEYS[2], user)
    local rev = redis.call('HINCRBY', KEYS[1], 'rev', 1)
    local members = redis.call('HLEN', KEYS[2])
    if members == 0 then
        local time = redis.call('TIME')
        redis.call('HSET', KEYS[1], 'empty_since',
            time[1] * 1000 + math.floor(time[2] / 1000))
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('PEXPIRE', KEYS[4], ARGV[4])
    end
    if members <= tonumber(ARGV[5]) then
        redis.call('PUBLISH', KEYS[5], '1 ' .. epoch .. ' ' .. rev .. ' left 0 0 '
            .. ARGV[2] .. '\n' .. ARGV[3] .. members .. '}')
    end
end
return {redis.call('HLEN', KEYS[2]), redis.call('HLEN', KEYS[3])}
