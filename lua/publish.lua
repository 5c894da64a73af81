-- publish.lua - store chat messages of one room and tell every gateway about them.
--
-- Atomic because: the sequence number, the history and the notice must agree. A
-- client that sees number n can always read n-1 from the history.
--
-- KEYS[1]   rc:{ROOM}:meta      hash     epoch, seq, rev, bytes, keys_at
-- KEYS[2]   rc:{ROOM}:history   list     the last messages, oldest first
-- KEYS[3]   rc:{ROOM}:events    channel
-- KEYS[4]   rc:{ROOM}:on:NODE   hash     user -> epoch: the users that came in through NODE
-- KEYS[5]   rc:{ROOM}:mutes     hash     user -> until ms; 0, or no 1 to 15 digits: for good
-- KEYS[6]   rc:{ROOM}:keys      hash     bytes of user:user:key -> seq; what is none of the
--           room's counts as unknown. Only where a message has a key, like the next
-- KEYS[7]   rc:{ROOM}:keys:old  hash     what was keys before
-- KEYS[8…]  rc:{ROOM}:slow:USER string   only in slow mode, one a run, and then KEYS[6] and [7] as well: there
--           until the user may say something again
-- ARGV[1]   keep                how many messages the history keeps, 0: none
-- ARGV[2]   keep_bytes          and how many bytes of them, but at least one message
-- ARGV[3]   head                JSON up to the sequence number
-- ARGV[4]   runs                how many there are: consecutive messages of one user
-- ARGV[5…]  three a run: user, '' for the server itself, which need not be a member; how
--           many messages, at most 256 in all; 1 if each has a key, 0 if none has; in slow mode 3 and
--           2 of a user whom that does not concern
-- ARGV[…]   only where a message has a key: dedupe_ms, how long a key is remembered at
--           least; keys_max, how many the hash takes before it becomes the old one; 1 if two
--           messages may have the same user and key; how many have a key; the field in
--           KEYS[6] of each of these
-- ARGV[…]   only in slow mode: slow_ms, between two messages of a user
-- ARGV[…]   one a message: JSON after the sequence number, not looked into here
-- Returns   {epoch, the room's seq, token, of each run …}: -1 if none of it is taken, because the user is no
--           member; else with keys, and in slow mode, what becomes of each message: its seq,
--           -2 muted for good, -2 - n muted for n ms more, -2 * 10^15 - n in slow mode for n ms
--           more; a key that is known gets its seq in any case. Without keys the first one's seq, or
--           why none is taken. Or false: no such room, or meta's seq is no whole number from 0
--           to 2^53 - 1
--
-- Cost O(messages). Most of it is what Lua makes of each message: it hashes every byte of
-- every string, and prints and reads a number slowly. So nothing is put together twice, of
-- the numbers only each tenth is printed, and there are no functions and no tables that grow
-- where one message comes alone.

local call, has_keys = redis.call, #KEYS > 5
local meta = has_keys
    and call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'bytes', 'home', 'term', 'keys_at')
    or call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'bytes', 'home', 'term')
local epoch, seq = meta[1], tonumber(meta[2])
if not (epoch and seq and seq < 2 ^ 53 and meta[3] and meta[2]:find('^%d+$')) then
    return false -- gone, or no room any more: renew.lua finds it, sync.lua remakes it
end
local info, term = call('INFO', 'replication'), meta[6]
local at_home = info:find('master_replid:', 1, true) + 14 -- to match it takes ten times as long
local home = info:sub(at_home, at_home + 39)
if home ~= meta[5] or not term then -- as take_over of lua/lib/room.lua, before the first write
    term = string.format('%d', (tonumber(term) or 0) + 1)
    local terms = call('HGET', KEYS[1], 'terms')
    terms = (terms and terms .. ',' or '') .. term .. ' ' .. home:sub(1, 16) .. ' ' .. meta[2]
        .. ' ' .. meta[3]
    local _, older = terms:gsub(',', '')
    if older > 15 then
        terms = terms:gsub('^[^,]*,', '')
    end
    call('HSET', KEYS[1], 'home', home, 'term', term, 'terms', terms)
end
local token = term .. '.' .. home:sub(1, 16)
local runs, users = tonumber(ARGV[4]), {ARGV[5]}
for run = 2, runs do
    users[run] = ARGV[3 * run + 2]
end
local came_in = call('HMGET', KEYS[4], unpack(users))
local muted = call('HMGET', KEYS[5], unpack(users))

local at = 4 + 3 * runs  -- the last argument before the messages
local fields_at = at + 4 -- and before the fields
local known, known_before, in_call -- seqs of the keys: in the hash, the old one, this call
local dedupe_ms, left, begins -- ms the hash has left; whether a new one begins
local added, added_size       -- to the hash: field, seq
local slow_at, slow_ms, waits, paced -- in slow mode: ms that users wait from now on; their keys
if has_keys then
    dedupe_ms = tonumber(ARGV[at + 1])
    in_call = ARGV[at + 3] == '1' and {}
    at = fields_at + ARGV[fields_at]
    added, added_size = {false, false}, 0
    if meta[7] and at > fields_at then -- else what the hashes hold is of a former life of the room
        left = call('PTTL', KEYS[6])
        local keys_max = tonumber(ARGV[fields_at - 2])
        known = call('HMGET', KEYS[6], unpack(ARGV, fields_at + 1, at))
        known_before = meta[7] ~= '0'
            and call('HMGET', KEYS[7], unpack(ARGV, fields_at + 1, at))
        -- How many there are is looked at now and then only, for keys that come one by one.
        begins = left < dedupe_ms or left > 2 * dedupe_ms
            or (at - fields_at > 1 or left % 64 == 0 or keys_max < 1000)
            and call('HLEN', KEYS[6]) >= keys_max
    end
    if #KEYS > 7 then
        at = at + 1
        slow_at, slow_ms, waits, paced = at, tonumber(ARGV[at]), {}, {}
    end
end

local results, answers = {epoch, false, token, false}, 3
local lines, count, size = {[0] = '', false}, 0, 0
local digits = {[0] = '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}
local digit, tens, head = 10 -- of the number to come: the last, those before it; JSON so far

local key = 0 -- how many were looked at
for run = 1, runs do
    local messages, keyed = tonumber(ARGV[3 * run + 3]), ARGV[3 * run + 4] == '1'
    local refused = users[run] ~= '' and (came_in[run] ~= epoch and -1 or muted[run] and -2)
    local till = refused == -2 and #muted[run] < 16 and muted[run]:match('^%d+$')
    if till and tonumber(till) > 0 then
        local time = call('TIME')
        local left = till - time[1] * 1000 - math.floor(time[2] / 1000)
        refused = left > 0 and -2 - left
    end
    local each, no, slow = keyed, refused, nil -- results are by message; why a new one is refused
    if slow_ms then
        local flags = tonumber(ARGV[3 * run + 4])
        each, keyed, slow = true, flags % 2 == 1, flags < 2
        local left = slow and (waits[users[run]] or call('PTTL', KEYS[7 + run])) or 0
        no = no or left > 0 and -2e15 - left
    end
    if refused == -1 or not each then
        answers = answers + 1
        results[answers] = refused or seq + 1
    end
    for i = 1, (refused == -1 or refused and not each) and 0 or messages do
        local field = keyed and ARGV[fields_at + key + i]
        local first = keyed and (in_call and in_call[field] or known and known[key + i]
            or known_before and known_before[key + i])
        first = first and first:find('^[1-9]%d*$') and tonumber(first)
        if not (first and first <= seq) then -- or it is no number of a message: as if unknown
            first = no
        end
        if not first then
            if digit == 10 then
                digit = (seq + 1) % 10
                tens = seq < 9 and '' or string.format('%d', (seq + 1 - digit) / 10)
                head = ARGV[3] .. tens
            end
            if keyed then
                local number = tens .. digits[digit]
                added[added_size + 1], added[added_size + 2] = field, number
                added_size = added_size + 2
                if in_call then
                    in_call[field] = number
                end
            end
            local line = head .. digits[digit] .. ARGV[at + i]
            seq, count, size, digit = seq + 1, count + 1, size + #line, digit + 1
            lines[count] = line
            if slow then
                paced[#paced + 1], waits[users[run]] = 7 + run, slow_ms
                no = -2e15 - slow_ms
            end
        end
        if each then
            answers = answers + 1
            results[answers] = first or seq
        end
    end
    at = at + messages
    key = keyed and key + messages or key
end
results[2] = seq
if count == 0 then
    return results
end
local first, last = string.format('%d', seq - count + 1), string.format('%d', seq)

-- The history, and what meta's bytes is then: below 0 if lines went uncounted, and then there
-- are at most so many. To read the lines that go would cost more than all the rest, so it
-- is done only where the history may come near keep_bytes.
-- RPUSH or, without a history, HSET is the first write: Redis refuses these two when memory
-- is full, but nothing that follows a first write. RPUSH also fails if history is no list.
local keep, keep_bytes, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), 0
if keep > 0 then
    local length = call('RPUSH', KEYS[2], unpack(lines))
    local over, stored = length - keep, tonumber(meta[4])
    if length == count then
        call('PEXPIRE', KEYS[2], call('PTTL', KEYS[1]))
        stored = 0
    elseif not (stored and stored >= -keep_bytes and stored <= keep_bytes) then
        stored = -math.huge -- of another version or another keep_bytes, or no number
    end
    bytes = (stored < 0 and -stored or stored) + size
    if stored < 0 or over > 0 and stored <= keep_bytes / 2 then
        if over > 0 then
            call('LTRIM', KEYS[2], '-' .. ARGV[1], '-1')
            length, over = keep, 0
        end
        if bytes > keep_bytes then
            bytes = 0
            for _, line in ipairs(call('LRANGE', KEYS[2], 0, -1)) do
                bytes = bytes + #line
            end
        else
            bytes = -bytes
        end
    end
    while (over > 0 or bytes > keep_bytes) and length > 1 do
        bytes = bytes - #call('LPOP', KEYS[2])
        length, over = length - 1, over - 1
    end
end
call('HSET', KEYS[1], 'seq', last, 'bytes', string.format('%d', bytes))
if keep == 0 then
    call('DEL', KEYS[2]) -- of a time with a history: its numbers would be wrong
end

if slow_ms then
    for _, i in ipairs(paced) do
        call('SET', KEYS[i], '1', 'PX', ARGV[slow_at])
    end
end
if has_keys and added_size > 0 then
    if begins or not meta[7] then
        local rotated = meta[7] or '0' -- 0: there is no old one
        if not meta[7] then
            call('UNLINK', KEYS[6], KEYS[7])
        elseif call('EXISTS', KEYS[6]) == 1 then
            local time = call('TIME')
            rotated = string.format('%d', time[1] * 1000 + math.floor(time[2] / 1000))
            call('UNLINK', KEYS[7]) -- in the background; RENAME would do it now
            call('RENAME', KEYS[6], KEYS[7])
            if left < 0 or left > 2 * dedupe_ms then -- not by this script
                call('PEXPIRE', KEYS[7], string.format('%d', dedupe_ms))
            end
        end
        call('HSET', KEYS[1], 'keys_at', rotated)
        -- The long field makes it a hash table: a small hash is searched from end to end.
        local long = ('-'):rep(65)
        call('HSET', KEYS[6], long, '', unpack(added))
        call('HDEL', KEYS[6], long)
        call('PEXPIRE', KEYS[6], string.format('%d', 2 * dedupe_ms))
    else
        call('HSET', KEYS[6], unpack(added))
    end
end
lines[0] = '1 ' .. epoch .. ' ' .. meta[3] .. ' message ' .. first .. ' ' .. last .. ' - ' .. token
call('PUBLISH', KEYS[3], table.concat(lines, '\n', 0))
return results
