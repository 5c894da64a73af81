-- leave.lua - take users of one node out of a room: all that leave in one turn of its loop.
--
-- USES clock, room, notice
--
-- Atomic because: the count of nodes a user is on, the revision, the notice and the
-- start of an empty room's countdown must agree.
--
-- KEYS[1]  rc:{ROOM}:meta       hash
-- KEYS[2]  rc:{ROOM}:members    hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE    hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history    list
-- KEYS[5]  rc:{ROOM}:events     channel
-- KEYS[6]  rc:{ROOM}:nodes      hash     loses the node with its last user
-- KEYS[7]  rc:{ROOM}:changed    zset     lives as the history does
-- ARGV[1]  ttl_ms               how long an empty room lives
-- ARGV[2]  events_max           no member_left in rooms with more members
-- ARGV[3]  node
-- ARGV[4…] four a user, at most 100: user; percent-encoded, for the notice's header; the
--          JSON of member_left up to the count; counts, 0: they were put out, so members
--          does not hold them for this node any more, but may for another one that they
--          came back through
-- Returns  {members left, users left on this node}
--
-- Cost O(users). Who is not in, or came in under another epoch, changes nothing. A meta without
-- epoch or rev, a whole number from 0 to 2^53 - 1, counts as lost, and a count of nodes that is
-- no number as one.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev')
local rev = whole(meta[3])
local epoch = rev and meta[1]
local users, lines, tokens = {}, {}, {}
for i = 4, #ARGV, 4 do
    users[#users + 1] = ARGV[i]
end
local came_in = redis.call('HMGET', KEYS[3], unpack(users))
local nodes = redis.call('HMGET', KEYS[2], unpack(users))
local members = redis.call('HLEN', KEYS[2])

redis.call('HLEN', KEYS[6]) -- of another type: fails before the first write
redis.call('HDEL', KEYS[3], unpack(users)) -- first: after it, full memory refuses nothing
for n, user in ipairs(users) do
    local i = 4 * n
    if ARGV[i + 3] ~= '0' and epoch and came_in[n] == epoch and nodes[n] then
        local left = (tonumber(nodes[n]) or 1) - 1
        if left >= 1 then
            redis.call('HSET', KEYS[2], user, digits(left))
        else
            redis.call('HDEL', KEYS[2], user)
            members = members - 1
            lines[#lines + 1] = ARGV[i + 2] .. members .. '}'
            tokens[#tokens + 1] = ARGV[i + 1]
        end
    end
end

if #lines > 0 then
    local token = take_over(KEYS[1], whole(meta[2]) or 0, rev)
    rev = raise_rev(KEYS[1], rev, #lines)
    if members == 0 then
        start_countdown(KEYS[1], KEYS[4], KEYS[7], ARGV[1])
    end
    if members <= tonumber(ARGV[2]) then
        tell(KEYS[5], epoch, rev, 'left', 0, table.concat(tokens, ','), token,
            table.concat(lines, '\n'))
    end
end
return {members, forget_node(KEYS[6], ARGV[3], KEYS[3])}
