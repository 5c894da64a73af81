-- renew.lua - keep a room alive that somebody is in, and say where it stands.
--
-- USES clock, room
--
-- Atomic because: a room that has just become empty has its countdown, which must not
-- be prolonged.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev, changed
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:on:NODE   hash
-- KEYS[4]  rc:{ROOM}:history   list
-- KEYS[5]  rc:{ROOM}:nodes     hash     node -> last stamp (ms), how often it stamps (ms)
-- KEYS[6]  rc:{ROOM}:events    channel  for a cluster: all or nothing (docs/redis.md)
-- KEYS[7]  rc:{ROOM}:changed   zset     lives as the history does
-- ARGV[1]  keep_ms             how long the keys of a room in use live
-- ARGV[2]  node
-- ARGV[3]  every_ms            how often the node renews the room
-- ARGV[4]  on_ms               how long KEYS[3] lives
-- ARGV[5]  patience_ms         a node without a stamp for so long, and twice its every_ms, is
--          silent; at most 600000 counts as every_ms
-- ARGV[6…] user                at most 100 of those of whom Redis was told
-- Returns  {epoch, seq, rev, users of this node, members, how many of the users given are not in
--          under this epoch, or not counted in members, token or '', changed, silent node…}: at
--          most 16. epoch '' if there is no such room, or seq or rev is no number
--
-- Nodes ask at about the same time, so only the first one prolongs what they share. A node
-- asks each three fifths of keep_ms, or more often, so a third of it is left at any time.
--
-- Cost O(users given + nodes). The two lengths alone would not tell that one user stands in
-- another's place.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'term', 'home', 'changed')
local users, members = redis.call('HLEN', KEYS[3]), redis.call('HLEN', KEYS[2])
local seq, rev = whole(meta[2]), whole(meta[3])
local is_there = is_epoch(meta[1]) and seq and rev
local stamps = redis.call('HGETALL', KEYS[5])
local left = redis.call('PTTL', KEYS[2]) -- -2: nobody is in

if left ~= -2 and left < ARGV[1] * 14 / 15 then
    prolong(ARGV[1], KEYS[1], KEYS[2], KEYS[4], KEYS[7])
end
if users > 0 then
    stamp_node(KEYS[5], ARGV[2], ARGV[3], KEYS[3], ARGV[4])
end

local wrong = 0
if #ARGV > 5 then
    local came_in = redis.call('HMGET', KEYS[3], unpack(ARGV, 6))
    local nodes = redis.call('HMGET', KEYS[2], unpack(ARGV, 6))
    for n = 1, #ARGV - 5 do
        if came_in[n] ~= meta[1] or (whole(nodes[n]) or 0) < 1 then
            wrong = wrong + 1
        end
    end
end

local answer = {is_there and meta[1] or '', is_there and seq or 0, is_there and rev or 0, users,
    members, wrong, known_token(meta[4], meta[5]) or '', whole(meta[6]) or 0}
local now
for i = 1, #stamps, 2 do
    local node = stamps[i]
    if node ~= ARGV[2] then
        now = now or now_ms()
        local stamped, every = stamps[i + 1]:match('^(%d+) (%d+)$')
        stamped, every = whole(stamped) or 0, math.min(whole(every) or 0, 600000)
        if stamped > now or stamped + 2 * every + ARGV[5] < now then
            if not is_node(node) then
                redis.call('HDEL', KEYS[5], node)
            elseif #answer < 24 then
                answer[#answer + 1] = node
            end
        end
    end
end
return answer
