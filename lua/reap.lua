-- reap.lua - take the users of a dead node out of a room.
--
-- USES clock, room, notice
--
-- Atomic because: several nodes may reap the same one at once, or one may die half-way,
-- and each user must be counted down once: the field that says so goes with the count.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:DEAD   hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history   list
-- KEYS[5]  rc:{ROOM}:events    channel
-- KEYS[6]  rc:{ROOM}:nodes     hash     loses the dead node with its last user
-- KEYS[7]  rc:{ROOM}:changed   zset     lives as the history does
-- ARGV[1]  most                users a call
-- ARGV[2]  ttl_ms              how long an empty room lives
-- ARGV[3]  events_max          no member_left in rooms with more members
-- ARGV[4]  event               the JSON of member_left, reason expired, up to the user
-- ARGV[5]  dead                the node
-- Returns  {members gone, members left, users of the dead node still to reap}
--
-- Cost O(most). Where a key is of another type, or meta has no epoch or rev, only KEYS[3] is
-- emptied: the room is broken, and that must not keep the node from being reaped elsewhere.

if not has_type(KEYS[3], 'hash') then
    redis.call('DEL', KEYS[3])
end
local is_whole = has_type(KEYS[1], 'hash') and has_type(KEYS[2], 'hash')
local meta = is_whole and redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev') or {}
local rev = whole(meta[3])
local epoch = rev and meta[1]
local page = redis.call('HRANDFIELD', KEYS[3], ARGV[1], 'WITHVALUES')
local members = is_whole and redis.call('HLEN', KEYS[2]) or 0
local before = members
local lines, tokens = {}, {}

for i = 1, #page, 2 do
    local user = page[i]
    local nodes = epoch and page[i + 1] == epoch and redis.call('HGET', KEYS[2], user)
    redis.call('HDEL', KEYS[3], user)
    if nodes then
        local left = (tonumber(nodes) or 1) - 1
        if left >= 1 then
            redis.call('HSET', KEYS[2], user, digits(left))
        else
            redis.call('HDEL', KEYS[2], user)
            members = members - 1
            lines[#lines + 1] = ARGV[4] .. json_name(user) .. ',"members":' .. members .. '}'
            tokens[#tokens + 1] = percent_name(user)
        end
    end
end

if #lines > 0 then
    local token = take_over(KEYS[1], whole(meta[2]) or 0, rev)
    rev = raise_rev(KEYS[1], rev, #lines)
    if members == 0 then
        start_countdown(KEYS[1], KEYS[4], KEYS[7], ARGV[2])
    end
    if members <= tonumber(ARGV[3]) then
        tell(KEYS[5], epoch, rev, 'left', 0, table.concat(tokens, ','), token,
            table.concat(lines, '\n'))
    end
end
local left = redis.call('HLEN', KEYS[3])
if has_type(KEYS[6], 'hash') then
    forget_node(KEYS[6], ARGV[5], KEYS[3])
end
return {before - members, members, left}
