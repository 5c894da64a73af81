-- delete.lua - put a tombstone in the place of a message.
--
-- USES clock, room, notice, message
--
-- Atomic because: the list has no numbers of its own; which element the message is
-- follows from the room's sequence number and the list's length at this moment.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev, bytes
-- KEYS[2]  rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]  rc:{ROOM}:events    channel
-- KEYS[4]  rc:{ROOM}:changed   zset     seq -> rev of its latest edit or deletion
-- KEYS[5]  rc:{ROOM}:on:NODE   hash     user -> epoch. This and the next two only for one's own
-- KEYS[6]  rc:{ROOM}:mutes     hash     user -> until ms; see join.lua
-- KEYS[7]  rc:{ROOM}:bans      hash     the same
-- ARGV[1]  seq                 of the message
-- ARGV[2]  head                the JSON of a message up to the sequence number
-- ARGV[3]  event               the JSON of message_deleted up to rev
-- ARGV[4]  keep                how many changed messages are remembered, at least 1
-- ARGV[5]  user                only for one's own: whose it must be
-- ARGV[6]  life_ms             and how old at most
-- Returns  {'ok', rev, token, the line that was there}, or {'ok'}: it was deleted before; {'no_room'};
--          {'no_message'}; {'not_joined'}, {'banned'}, {'muted'}, {'forbidden'}: it is not for this
--          user to delete
--
-- Cost O(history) in list nodes.

local message, refusal = find_message(KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[5], KEYS[5], KEYS[6],
    KEYS[7])
if not message then
    return {refusal}
end
local begin = ARGV[2] .. ARGV[1] .. ',"deleted":true'
if message.line:sub(1, #begin) == begin then
    return {'ok'}
elseif ARGV[5] and not is_own(message.line, ARGV[5], ARGV[6]) then
    return {'forbidden'}
end

-- Within a JSON string each quote has a backslash before it, so this is not in one.
local tombstone = begin .. ',"ts":' .. (message.line:match(',"ts":(%d+)') or 0) .. '}'
local rev, token = replace_line(KEYS[1], KEYS[2], KEYS[4], message, tombstone, ARGV[4])
tell(KEYS[3], message.epoch, rev, 'deleted', ARGV[1], '-', token, ARGV[3] .. rev .. '}')
return {'ok', rev, token, message.line}
