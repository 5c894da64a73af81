-- kick.lua - put a user out of a room, on all nodes.
--
-- USES clock, room, notice
--
-- Atomic because: the count, the revision, the notice, and what a node that is deaf now
-- will find (kicks) must agree; and a join after this call must count again, so nothing
-- of the user may be left on any node.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:history   list
-- KEYS[4]  rc:{ROOM}:kicks     hash     user -> rev and reason, for ten minutes
-- KEYS[5]  rc:{ROOM}:events    channel
-- KEYS[6]  rc:{ROOM}:nodes     hash     tells which nodes have members
-- KEYS[7]  rc:{ROOM}:changed   zset     lives as the history does
-- KEYS[8…] rc:{ROOM}:on:NODE   hash     user -> epoch: one for each of these nodes
-- ARGV[1]  user
-- ARGV[2]  token               the user, percent-encoded, for the notice's header
-- ARGV[3]  reason
-- ARGV[4]  kicked              JSON for members that are put out
-- ARGV[5]  left                JSON of member_left up to the count, for the others
-- ARGV[6]  events_max          no member_left in rooms with more members
-- ARGV[7]  ttl_ms              how long an empty room lives
-- Returns  {'ok', mark, number of each node that has the user…}, or {'absent'}, or
--          {'again', node…}: these are not among KEYS, and nothing was done. A meta without epoch or
--          rev, a whole number from 0 to 2^53 - 1, counts as lost: nobody is in
--
-- A user of a former epoch that a node has not put in again yet is kicked too: after a remake the
-- node may be deaf.
--
-- Cost O(nodes). In place of the user's epoch stands the mark, which counts as absent,
-- until the node has put its clients out.

local user = ARGV[1]
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'rev', 'seq')
local epoch, rev = meta[1], whole(meta[2])
local nodes = redis.call('HGET', KEYS[2], user)
nodes = nodes and (tonumber(nodes) or 1) or 0
if not (epoch and rev) then
    return {'absent'}
end

local missing = missing_nodes(KEYS[6], 8)
if missing then
    return missing
end
local found = {}
for i = 8, #KEYS do
    local came_in = redis.call('HGET', KEYS[i], user)
    if came_in == epoch or nodes < 1 and is_epoch(came_in) then
        found[#found + 1] = i - 7
    end
end
if nodes < 1 and #found == 0 then
    return {'absent'}
end
redis.call('HLEN', KEYS[4]) -- of another type: fails before the first write

redis.call('HDEL', KEYS[2], user) -- first, so that full memory does not refuse the rest
local token = take_over(KEYS[1], whole(meta[3]) or 0, rev)
rev = raise_rev(KEYS[1], rev, 1)
local mark = 'kicked ' .. rev
redis.call('HSET', KEYS[4], user, rev .. ' ' .. ARGV[3])
redis.call('EXPIRE', KEYS[4], 600)
for _, i in ipairs(found) do
    redis.call('HSET', KEYS[i + 7], user, mark)
end
local members = redis.call('HLEN', KEYS[2])
if members == 0 and nodes >= 1 then
    start_countdown(KEYS[1], KEYS[3], KEYS[7], ARGV[7])
end
local lines = ARGV[4]
if members <= tonumber(ARGV[6]) and nodes >= 1 then
    lines = lines .. '\n' .. ARGV[5] .. members .. '}'
end
tell(KEYS[5], epoch, rev, 'kicked', 0, ARGV[2], token, lines)
return {'ok', mark, unpack(found)}
