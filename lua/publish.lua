-- publish.lua - store chat messages of one room and tell every gateway about them.
--
-- Atomic because: the sequence number, the history and the notice must agree. A
-- client that sees number n can always read n-1 from the history.
--
-- KEYS[1]   rc:{ROOM}:meta      hash     epoch, seq, rev
-- KEYS[2]   rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]   rc:{ROOM}:events    channel
-- KEYS[4]   rc:{ROOM}:on:NODE   hash     user -> epoch: who came in through the node
-- KEYS[5]   rc:{ROOM}:mutes     hash     user -> until ms, 0: for good
-- KEYS[6…]  rc:{ROOM}:key:…     string   epoch and seq of a message sent with a key
-- ARGV[1]   keep                how many messages the history holds, 0: none
-- ARGV[2]   dedupe_secs         how long a key is remembered
-- ARGV[3]   head                JSON up to the sequence number
-- ARGV[4…]  three a message, at most 256 messages: user, '' for the server itself, which
--           needs not be a member; which of KEYS remembers it, 0: none; JSON behind the
--           sequence number, not looked into here
-- Returns   {epoch, a number for each message}: its seq; -1 not a member; -2 muted for
--           good; -2 - n muted for n ms more. Or false: no such room
--
-- Cost O(messages). Most of it is what Lua makes of each message: it hashes every byte of every
-- string, and prints a number slowly. So nothing is put together twice.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev')
local epoch, seq = meta[1], tonumber(meta[2])
if not epoch then
    return false
end

local users, is_known = {}, {}
for i = 4, #ARGV, 3 do
    local user = ARGV[i]
    if not is_known[user] then
        users[#users + 1] = user
        is_known[user] = true
    end
end
local came_in = redis.call('HMGET', KEYS[4], unpack(users))
local muted = redis.call('HMGET', KEYS[5], unpack(users))
local stored = {}
if #KEYS > 5 then
    stored = redis.call('MGET', unpack(KEYS, 6))
end

-- Why each user's messages are refused, or nothing.
local refused = {}
for n, user in ipairs(users) do
    local till = tonumber(muted[n] or -1)
    if user ~= '' and came_in[n] ~= epoch then
        refused[user] = -1
    elseif user ~= '' and till == 0 then
        refused[user] = -2
    elseif user ~= '' and till > 0 then
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        refused[user] = till > now and -2 - (till - now) or nil
    end
end

local results, lines, remember = {epoch}, {}, {}
local count, head, format = 0, ARGV[3], string.format
for i = 4, #ARGV, 3 do
    local result = refused[ARGV[i]]
    local key = ARGV[i + 1] ~= '0' and tonumber(ARGV[i + 1])
    local before = key and stored[key - 5]
    if not result and before and before:sub(1, #epoch) == epoch then
        result = tonumber(before:sub(#epoch + 2))
    end
    if not result then
        seq = seq + 1
        result = seq
        local text = format('%d', seq)
        count = count + 1
        lines[count] = head .. text .. ARGV[i + 2]
        if key then
            stored[key - 5] = epoch .. ' ' .. text
            remember[#remember + 1] = key
        end
    end
    results[#results + 1] = result
end
if count == 0 then
    return results
end

if tonumber(ARGV[1]) > 0 then
    local length = redis.call('RPUSH', KEYS[2], unpack(lines))
    if length == count then
        redis.call('PEXPIRE', KEYS[2], redis.call('PTTL', KEYS[1]))
    end
    if length > tonumber(ARGV[1]) then
        redis.call('LTRIM', KEYS[2], -ARGV[1], -1)
    end
end
redis.call('HSET', KEYS[1], 'seq', seq) -- here, because RPUSH may fail
if tonumber(ARGV[1]) == 0 then
    redis.call('DEL', KEYS[2]) -- of a time with a history: its numbers would be wrong
end
for _, key in ipairs(remember) do
    redis.call('SETEX', KEYS[key], ARGV[2], stored[key - 5])
end
lines[0] = '1 ' .. epoch .. ' ' .. meta[3] .. ' message ' .. (seq - count + 1) .. ' '
    .. seq .. ' -'
redis.call('PUBLISH', KEYS[3], table.concat(lines, '\n', 0))
return results
