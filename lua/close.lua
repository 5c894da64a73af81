-- close.lua - end a room: everybody out, its keys gone.
--
-- Atomic because: a join is either before, and is put out, or behind, and makes a new
-- room; and a node that is deaf now must find what happened (closed).
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:history   list
-- KEYS[4]  rc:{ROOM}:kicks     hash
-- KEYS[5]  rc:{ROOM}:closed    string   epoch and reason, for ten minutes
-- KEYS[6]  rc:{ROOM}:events    channel
-- KEYS[7…] rc:{ROOM}:on:NODE   hash     one for each node of the fleet
-- ARGV[1]  reason
-- ARGV[2]  event               the JSON of room_closed
-- Returns  {members, mark, number of each node that has users…}, or false: no such room
--
-- Cost O(nodes): what was large is freed by Redis's background threads. In place of a
-- node's users stands the mark, under the empty name, until it has put its clients out.
-- Bans and mutes stay.

local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
    return false
end
local members = redis.call('HLEN', KEYS[2])
local found = {}
for i = 7, #KEYS do
    if redis.call('HLEN', KEYS[i]) > 0 then -- of another type: fails before a write
        found[#found + 1] = i - 6
    end
end

local mark = 'closed ' .. epoch
local rev = tonumber(redis.call('HGET', KEYS[1], 'rev')) + 1
-- First, so that full memory does not refuse the rest.
redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3], KEYS[4])
redis.call('SET', KEYS[5], epoch .. ' ' .. ARGV[1], 'EX', 600)
for _, i in ipairs(found) do
    redis.call('UNLINK', KEYS[i + 6])
    redis.call('HSET', KEYS[i + 6], '', mark)
    redis.call('EXPIRE', KEYS[i + 6], 600)
end
redis.call('PUBLISH', KEYS[6], '1 ' .. epoch .. ' ' .. rev .. ' closed 0 0 -\n' .. ARGV[2])
return {members, mark, unpack(found)}
