-- close.lua - end a room: everybody out, its keys gone, of whatever type they are.
--
-- USES clock, room, notice
--
-- Atomic because: a join is either before, and is put out, or after, and makes a new
-- room; and a node that is deaf now must find what happened (closed).
--
-- KEYS[1]   rc:{ROOM}:meta      hash
-- KEYS[2]   rc:{ROOM}:members   hash
-- KEYS[3]   rc:{ROOM}:history   list
-- KEYS[4]   rc:{ROOM}:kicks     hash
-- KEYS[5]   rc:{ROOM}:keys      hash
-- KEYS[6]   rc:{ROOM}:keys:old  hash
-- KEYS[7]   rc:{ROOM}:bans      hash     stays, as mutes do, unless it is no hash
-- KEYS[8]   rc:{ROOM}:mutes     hash
-- KEYS[9]   rc:{ROOM}:closed    string   epoch, those before it since the room was created, and
--           reason, for ten minutes
-- KEYS[10]  rc:{ROOM}:events    channel
-- KEYS[11]  rc:{ROOM}:nodes     hash     tells which nodes have members
-- KEYS[12]  rc:{ROOM}:changed   zset
-- KEYS[13…] rc:{ROOM}:on:NODE   hash     one for each of these nodes
-- ARGV[1]   reason
-- ARGV[2]   event               the JSON of room_closed
-- Returns   {members, mark, number of each node that has users…}, or false: no such room, or
--           {'again', node…}: these are not among KEYS, and nothing was done
--
-- Cost O(nodes): what was large is freed by Redis's background threads. In place of a
-- node's users stands the mark, under the empty name, until it has put its clients out.
-- If meta does not tell the epoch any more, `*` stands for it in closed and the notice has
-- one that no room has: then each node asks (sync.lua), and finds closed.

-- Whether a key, if it is there, is of another type than it should be: most are hashes.
local function is_odd(key)
    return not has_type(KEYS[key], key == 9 and 'string' or key == 12 and 'zset' or 'hash')
end

local meta = has_type(KEYS[1], 'hash') and redis.call('HMGET', KEYS[1], 'epoch', 'rev', 'seq', 'former')
    or {}
local epoch, rev = meta[1], whole(meta[2])
if not (is_epoch(epoch) and rev) then
    epoch, rev = nil, 0
end
local found, is_broken = {}, false
for key = 4, #KEYS do
    is_broken = is_broken or key ~= 10 and is_odd(key)
    if key > 12 and redis.call('EXISTS', KEYS[key]) == 1 then
        found[#found + 1] = key - 12
    end
end
if not epoch and not is_broken and redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[3]) == 0 then
    return false
end

local missing = not is_odd(11) and missing_nodes(KEYS[11], 13)
if missing then
    return missing
end
local members = has_type(KEYS[2], 'hash') and redis.call('HLEN', KEYS[2]) or 0
local mark = 'closed ' .. (epoch or '*')
-- First, so that full memory does not refuse the rest.
redis.call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[11], KEYS[12])
local token = epoch and take_over(KEYS[1], whole(meta[3]) or 0, rev) or '-'
redis.call('UNLINK', KEYS[1])
for key = 7, 8 do
    if is_odd(key) then
        redis.call('UNLINK', KEYS[key])
    end
end
redis.call('SET', KEYS[9], (epoch or '*') .. (epoch and meta[4] and ',' .. meta[4] or '') .. ' '
    .. ARGV[1], 'EX', 600)
for _, i in ipairs(found) do
    redis.call('UNLINK', KEYS[i + 12])
    redis.call('HSET', KEYS[i + 12], '', mark)
    redis.call('EXPIRE', KEYS[i + 12], 600)
end
tell(KEYS[10], epoch or ('0'):rep(16), digits(rev + 1), 'closed', 0, '-', token, ARGV[2])
return {members, mark, unpack(found)}
