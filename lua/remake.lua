-- remake.lua - give a room another epoch, because Redis does not have what was seen of it.
--
-- USES clock, room, notice
--
-- Atomic because: the first of several nodes decides, and the others must find its epoch.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash     goes: each node puts its users in again
-- KEYS[3]  rc:{ROOM}:events    channel
-- KEYS[4]  rc:{ROOM}:changed   zset     goes: what came before is not resumed
-- ARGV[1]  known               the epoch that is not believed any more
-- ARGV[2]  epoch               the new one
-- Returns  the epoch of the room: the new one, or another one if that is not `known`; nil: no
--          such room
--
-- Cost O(1), and O(members) in the background. created_at and kicks stay, and rev goes on, so a
-- kick from before still counts; former remembers the epochs, so that a closing counts for a node
-- that knows one of them. Every node that has the room is told (remade), and syncs.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'rev', 'seq', 'former')
local epoch, rev = meta[1], whole(meta[2]) or 0 -- no whole number: as in sync.lua
if epoch ~= ARGV[1] then
    return epoch
end
local token = take_over(KEYS[1], whole(meta[3]) or 0, rev)
local raised = digits(rev + 1)
-- At most 16 former ones.
local former = (epoch .. (meta[4] and ',' .. meta[4] or '')):sub(1, 16 * 17 - 1)
redis.call('HSET', KEYS[1], 'epoch', ARGV[2], 'rev', raised, 'former', former, 'epoch_seq',
    digits(whole(meta[3]) or 0))
redis.call('HDEL', KEYS[1], 'keys_at') -- the keys of messages were known under the old epoch only
redis.call('DEL', KEYS[2], KEYS[4])
tell(KEYS[3], ARGV[2], raised, 'remade', 0, '-', token, '')
return ARGV[2]
