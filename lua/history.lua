-- history.lua - read a piece of a room's history.
--
-- USES clock, room
--
-- Atomic because: the list has no numbers of its own; they follow from the room's
-- sequence number and the list's length at the same moment.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     epoch, seq
-- KEYS[2]  rc:{ROOM}:history   list     the last messages, oldest first
-- ARGV[1]  after               the messages after this number, oldest first; or ''
-- ARGV[2]  before              else the last messages before this number
-- ARGV[3]  limit               at most so many
-- ARGV[4]  max_bytes           and so many bytes, but at least one message
-- Returns  {epoch, seq, number of the oldest message held, number of the first one
--          returned, token or '', changed, message…}, oldest first; or false: no such room, or seq
--          is no whole number from 0 to 2^53 - 1
--
-- Cost O(history) in list nodes, O(messages returned) in bytes.

local CHUNK = 64
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'term', 'home', 'changed')
local seq = whole(meta[2])
if not (meta[1] and seq) then
    return false
end
local oldest = seq - redis.call('LLEN', KEYS[2]) + 1
local limit, room = tonumber(ARGV[3]), tonumber(ARGV[4])
local lines = {}

-- Takes what still fits; false when something did not.
local function take(line)
    if #lines >= limit or (#lines > 0 and #line > room) then
        return false
    end
    lines[#lines + 1] = line
    room = room - #line - 1
    return true
end

local function forward(from)
    for at = from, seq, CHUNK do
        local chunk = redis.call('LRANGE', KEYS[2], at - oldest, at - oldest + CHUNK - 1)
        for _, line in ipairs(chunk) do
            if not take(line) then
                return
            end
        end
    end
end

local function backward(to)
    for at = to, oldest, -CHUNK do
        local chunk = redis.call('LRANGE', KEYS[2], math.max(0, at - oldest - CHUNK + 1),
            at - oldest)
        for i = #chunk, 1, -1 do
            if not take(chunk[i]) then
                return
            end
        end
    end
end

local first
if ARGV[1] ~= '' then
    first = math.max(tonumber(ARGV[1]) + 1, oldest)
    forward(first)
else
    local last = math.min(tonumber(ARGV[2]) - 1, seq)
    backward(last)
    first = last - #lines + 1
    for i = 1, math.floor(#lines / 2) do
        lines[i], lines[#lines + 1 - i] = lines[#lines + 1 - i], lines[i]
    end
end
return {meta[1], seq, oldest, first, known_token(meta[3], meta[4]) or '', whole(meta[5]) or 0,
    unpack(lines)}
