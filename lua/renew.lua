-- renew.lua - keep a room alive that somebody is in, and say where it stands.
--
-- USES clock, room
--
-- Atomic because: a room that has just become empty has its countdown, which must not
-- be prolonged.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:on:NODE   hash
-- KEYS[4]  rc:{ROOM}:history   list
-- ARGV[1]  keep_ms             how long the keys of a room in use live
-- ARGV[2…] user                at most 100 of those of whom Redis was told
-- Returns  {epoch, seq, rev, users of this node, members, how many of the users given are not in
--          under this epoch, or not counted in members, token, if there is one}, epoch '' if there is no such room, or
--          seq or rev is no number
--
-- Nodes ask at about the same time, so only the first one prolongs what they share. A node
-- asks each three fifths of keep_ms, so a third of it is left at any time.
--
-- Cost O(users given). The two lengths alone would not tell that one user stands in another's
-- place.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'term', 'home')
local users, members = redis.call('HLEN', KEYS[3]), redis.call('HLEN', KEYS[2])
local seq, rev = whole(meta[2]), whole(meta[3])
local is_there = is_epoch(meta[1]) and seq and rev
redis.call('PEXPIRE', KEYS[3], ARGV[1])
local left = redis.call('PTTL', KEYS[2]) -- -2: nobody is in

if left ~= -2 and left < ARGV[1] * 14 / 15 then
    prolong(ARGV[1], KEYS[1], KEYS[2], KEYS[4])
end

local wrong = 0
if #ARGV > 1 then
    local came_in = redis.call('HMGET', KEYS[3], unpack(ARGV, 2))
    local nodes = redis.call('HMGET', KEYS[2], unpack(ARGV, 2))
    for n = 1, #ARGV - 1 do
        if came_in[n] ~= meta[1] or (whole(nodes[n]) or 0) < 1 then
            wrong = wrong + 1
        end
    end
end
return {is_there and meta[1] or '', is_there and seq or 0, is_there and rev or 0, users,
    members, wrong, known_token(meta[4], meta[5])}
