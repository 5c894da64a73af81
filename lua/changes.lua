-- changes.lua - read which messages of a room were deleted or edited, and what they are now.
--
-- USES clock, room
--
-- Atomic because: the list has no numbers of its own (history.lua), and a message must be told as
-- it is under the rev that is told with it.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq, changed, bytes
-- KEYS[2]  rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]  rc:{ROOM}:changed   zset     seq -> rev of its latest edit or deletion
-- ARGV[1]  after               changes after this rev
-- ARGV[2]  last                of messages up to this number
-- ARGV[3]  head                the JSON of a message up to the sequence number
-- ARGV[4]  deleted             the JSON of message_deleted up to the sequence number
-- ARGV[5]  edited              the same of message_edited
-- ARGV[6]  keep                how many changed messages are remembered
-- ARGV[7]  max_bytes           at most so many, but at least one event
-- Returns  {epoch, token or '', the rev up to which all is told, 1 if there is more, 1 if changes
--          after `after` may be forgotten, seq, event, …}, in the order of their rev; or false: no such
--          room, or its numbers are none
--
-- Cost O(changes) in list nodes. A message that has left the history is told as deleted: what was
-- edited there is not known any more, and it shall not be shown as it was.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'changed', 'term', 'home')
local seq, upto = whole(meta[2]), whole(meta[3]) or 0
if not (meta[1] and seq) then
    return false
end
local oldest = seq - redis.call('LLEN', KEYS[2]) + 1
local is_full = redis.call('ZCARD', KEYS[3]) >= tonumber(ARGV[6])
local first = is_full and redis.call('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')[2]
local is_cut = upto > tonumber(ARGV[1]) and redis.call('EXISTS', KEYS[3]) == 0
    or first and tonumber(first) > ARGV[1] + 1
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf', 'WITHSCORES')
local answer = {meta[1], known_token(meta[4], meta[5]) or '', upto, 0, is_cut and 1 or 0}
local bytes = 0

local function event_of(number, rev)
    local place = tonumber(number) - oldest
    local line = place >= 0 and redis.call('LINDEX', KEYS[2], place) or ''
    local begin = ARGV[3] .. number
    local rest = line:sub(1, #begin) == begin and line:sub(#begin + 1, -2)
    if rest and not rest:find('^,"deleted":true') then
        -- Within a JSON string each quote has a backslash before it, so this is not in one.
        return ARGV[5] .. number .. rest:gsub(',"ts":%d+', '', 1) .. ',"rev":' .. rev .. '}'
    end
    return ARGV[4] .. number .. ',"rev":' .. rev .. '}'
end

for i = 1, #found, 2 do
    local number, rev = found[i], found[i + 1]
    if whole(number) and tonumber(number) <= tonumber(ARGV[2]) and whole(rev) then
        local event = event_of(number, rev)
        bytes = bytes + #event
        if bytes > tonumber(ARGV[7]) and #answer > 5 then
            answer[3], answer[4] = tonumber(rev) - 1, 1
            break
        end
        answer[#answer + 1], answer[#answer + 2] = tonumber(number), event
    end
end
return answer
