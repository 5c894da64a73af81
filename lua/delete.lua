-- delete.lua - put a tombstone in the place of a message.
--
-- USES clock, room, notice
--
-- Atomic because: the list has no numbers of its own; which element the message is
-- follows from the room's sequence number and the list's length at this moment.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev, bytes
-- KEYS[2]  rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]  rc:{ROOM}:events    channel
-- ARGV[1]  seq                 of the message
-- ARGV[2]  head                the JSON of a message up to the sequence number
-- ARGV[3]  event               the JSON of message_deleted
-- Returns  'ok', also if it was deleted before; 'no_room'; 'no_message'
--
-- Cost O(history) in list nodes.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'bytes')
local last, rev = whole(meta[2]), whole(meta[3])
if not (meta[1] and last and rev) then
    return 'no_room'
end
local seq = tonumber(ARGV[1])
local at = seq - (last - redis.call('LLEN', KEYS[2]) + 1)
local line = at >= 0 and redis.call('LINDEX', KEYS[2], at)
if not line then
    return 'no_message'
end

local begin = ARGV[2] .. ARGV[1] .. ',"deleted":true'
if line:sub(1, #begin) == begin then
    return 'ok'
end
-- Within a JSON string each quote has a backslash before it, so this is not in one.
local ts = line:match(',"ts":(%d+)') or 0
local tombstone = begin .. ',"ts":' .. ts .. '}'
local bytes = tonumber(meta[4])
local fields = {'rev', digits(rev + 1), 'changed', digits(rev + 1)}
if bytes then -- below 0: at most so many (publish.lua)
    local change = bytes < 0 and #line - #tombstone or #tombstone - #line
    fields[5], fields[6] = 'bytes', digits(bytes + change)
end
redis.call('HDEL', KEYS[1], '') -- after it, full memory refuses nothing
local token = take_over(KEYS[1], last, rev)
redis.call('HSET', KEYS[1], unpack(fields))
redis.call('LSET', KEYS[2], at, tombstone)
tell(KEYS[3], meta[1], fields[2], 'deleted', digits(seq), '-', token, ARGV[3])
return 'ok'
