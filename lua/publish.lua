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
-- ARGV[4]   runs                how many there are: messages of one user, one behind the other
-- ARGV[5…]  three a run: user, '' for the server itself, which needs not be a member; how
--           many messages, at most 256 in all; which of KEYS is the first one's, followed by
--           those of the others, 0: none of them has a key
-- ARGV[…]   one a message: JSON behind the sequence number, not looked into here
-- Returns   {epoch, of each run …}: why none of it is taken: -1 not a member; -2 muted for
--           good; -2 - n muted for n ms more. Else without keys the first one's seq, with
--           keys each one's. Or false: no such room
--
-- Cost O(messages). Most of it is what Lua makes of each message: it hashes every byte of
-- every string, and prints a number slowly. So nothing is put together twice, and of the
-- numbers only each tenth is printed.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev')
local epoch, seq = meta[1], tonumber(meta[2])
if not epoch then
    return false
end
if #KEYS > 5 then
    redis.call('LLEN', KEYS[2]) -- RPUSH must not fail once a key is written
end
local runs, users = tonumber(ARGV[4]), {}
for run = 1, runs do
    users[run] = ARGV[3 * run + 2]
end
local came_in = redis.call('HMGET', KEYS[4], unpack(users))
local muted = redis.call('HMGET', KEYS[5], unpack(users))

-- Why the messages of a run are refused, or nil.
local function find_refusal(run)
    if users[run] == '' then
        return nil
    elseif came_in[run] ~= epoch then
        return -1
    elseif not muted[run] then
        return nil
    elseif muted[run] == '0' then
        return -2
    end
    local time = redis.call('TIME')
    local left = muted[run] - time[1] * 1000 - math.floor(time[2] / 1000)
    return left > 0 and -2 - left or nil
end

local results, lines, count = {epoch}, {}, 0
local digits = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}
local tens, digit, line_head -- of the number to come: before its last digit, that; JSON

local function begin_tens()
    digit = (seq + 1) % 10
    tens = seq < 9 and '' or string.format('%d', (seq + 1 - digit) / 10)
    line_head = ARGV[3] .. tens
end

local function add(tail)
    seq, count = seq + 1, count + 1
    lines[count] = line_head .. digits[digit] .. tail
    digit = digit + 1
    if digit == 10 then
        begin_tens()
    end
    return seq
end

-- The seq under which KEYS[key] is known, or nil: from now on that of the number to come.
local function remember(key)
    local value = epoch .. ' ' .. tens .. digits[digit]
    if redis.call('SET', KEYS[key], value, 'NX', 'EX', ARGV[2]) then
        return nil
    end
    local known = redis.call('MGET', KEYS[key])[1] -- as GET, but also if it is no string
    if known and known:sub(1, #epoch) == epoch then
        return tonumber(known:sub(#epoch + 2))
    end
    redis.call('SET', KEYS[key], value, 'EX', ARGV[2])
end

begin_tens()
local first = tens .. digits[digit]
local at = 4 + 3 * runs -- the last argument before the messages
for run = 1, runs do
    local size, key = tonumber(ARGV[3 * run + 3]), tonumber(ARGV[3 * run + 4])
    local refused = find_refusal(run)
    if refused or key == 0 then
        results[#results + 1] = refused or seq + 1
    end
    for i = 1, refused and 0 or size do
        if key == 0 then
            add(ARGV[at + i])
        else
            results[#results + 1] = remember(key + i - 1) or add(ARGV[at + i])
        end
    end
    at = at + size
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
        redis.call('LTRIM', KEYS[2], '-' .. ARGV[1], '-1')
    end
end
local last = string.format('%d', seq)
redis.call('HSET', KEYS[1], 'seq', last) -- here, because RPUSH may fail
if tonumber(ARGV[1]) == 0 then
    redis.call('DEL', KEYS[2]) -- of a time with a history: its numbers would be wrong
end
lines[0] = '1 ' .. epoch .. ' ' .. meta[3] .. ' message ' .. first .. ' ' .. last .. ' -'
redis.call('PUBLISH', KEYS[3], table.concat(lines, '\n', 0))
return results
