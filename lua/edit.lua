-- edit.lua - give a message another text.
--
-- USES clock, room, notice, message
--
-- Atomic because: as delete.lua; and whose the message is, and whether the user may still write,
-- must hold at the moment of the change.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, rev, bytes
-- KEYS[2]  rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]  rc:{ROOM}:events    channel
-- KEYS[4]  rc:{ROOM}:changed   zset     seq -> rev of its latest edit or deletion
-- KEYS[5]  rc:{ROOM}:on:NODE   hash     user -> epoch
-- KEYS[6]  rc:{ROOM}:mutes     hash     user -> until ms; see join.lua
-- KEYS[7]  rc:{ROOM}:bans      hash     the same
-- ARGV[1]  seq                 of the message
-- ARGV[2]  head                the JSON of a message up to the sequence number
-- ARGV[3]  event               the JSON of message_edited up to the user
-- ARGV[4]  keep                how many changed messages are remembered, at least 1
-- ARGV[5]  user                whose it must be
-- ARGV[6]  life_ms             and how old at most
-- ARGV[7]  said                the JSON from the user up to the time
-- ARGV[8]  data                the JSON behind the time, or ''
-- Returns  {'ok', rev, token}; {'no_room'}; {'no_message'}; {'not_joined'}, {'banned'}, {'muted'},
--          {'forbidden'}: it is not for this user to edit
--
-- Cost O(history) in list nodes.

local message, refusal = find_message(KEYS[1], KEYS[2], tonumber(ARGV[1]), ARGV[5], KEYS[5], KEYS[6],
    KEYS[7])
if not message then
    return {refusal}
elseif not is_own(message.line, ARGV[5], ARGV[6]) then -- a tombstone has no user
    return {'forbidden'}
end

-- Within a JSON string each quote has a backslash before it, so this is not in one.
local ts = message.line:match(',"ts":(%d+)') or 0
local rest = ARGV[8] .. ',"edited_at":' .. digits(now_ms())
local line = ARGV[2] .. ARGV[1] .. ARGV[7] .. ',"ts":' .. ts .. rest .. '}'
local rev, token = replace_line(KEYS[1], KEYS[2], KEYS[4], message, line, ARGV[4])
tell(KEYS[3], message.epoch, rev, 'edited', ARGV[1], '-', token,
    ARGV[3] .. ARGV[7] .. rest .. ',"rev":' .. rev .. '}')
return {'ok', rev, token}
