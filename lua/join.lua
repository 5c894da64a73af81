-- join.lua - put users into a room through one node: all that come in one turn of its loop.
--
-- USES clock, room, notice
--
-- Atomic because: the count of nodes a user is on, the revision and the notice must
-- agree, and the sequence number returned must be the one of that very moment: what
-- comes after it reaches the new members as a notice, what comes before by the history.
--
-- KEYS[1]  rc:{ROOM}:meta       hash     epoch, seq, rev, …; created here if it is missing
-- KEYS[2]  rc:{ROOM}:members    hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE    hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history    list     gets its life prolonged
-- KEYS[5]  rc:{ROOM}:bans       hash     user -> until ms; 0, or no 1 to 15 digits: for good
-- KEYS[6]  rc:{ROOM}:events     channel
-- KEYS[7]  rc:{ROOM}:kicks      hash     goes with a lost meta, like members
-- KEYS[8]  rc:{ROOM}:nodes      hash     node -> last stamp (ms), how often it stamps (ms)
-- KEYS[9]  rc:{ROOM}:changed    zset     lives as the history does
-- ARGV[1]  epoch                for the room if it must be created
-- ARGV[2]  keep_ms              how long the keys of a room in use live
-- ARGV[3]  shard_id
-- ARGV[4]  events_max           no member_joined in rooms with more members
-- ARGV[5]  node
-- ARGV[6]  every_ms             how often the node renews the room
-- ARGV[7]  on_ms                how long KEYS[3] lives
-- ARGV[8]  limits               '' where the class has none; else how many may be in (0: any number), 1 if
--          anybody makes the room or 0, and, between commas, the numbers of users whom neither
--          concerns: '50 0 ,2,5,'
-- ARGV[9…] three a user, at most 100: user; percent-encoded, for the notice's header; the
--          JSON of member_joined up to the count
-- Returns  {'ok', epoch, seq, rev, members, messages in the history, 1 if created here, token,
--          changed}, and, if there are several users, a number for each: how many came in after it, by
--          which its own rev and members are lower; or -1 - ms left if it is banned, -1:
--          for good. Or, if all are banned, {'banned', ms left of each, 0: for good}
--
--          A user that is refused may have instead -2 * 10^15: the room is full; -3 * 10^15: there is no such
--          room, and it may not make one. Or, if all are refused, {'refused', the number of each}
--
-- Cost O(users). A meta without epoch or numbers counts as lost, and a count of nodes that is no
-- number as none. Each user that comes in raises rev by one, as if all had come one by one. What the
-- nodes share is prolonged only if it was not a moment ago (renew.lua).

local users, free, later, left = {}, {}, {}, {}
for i = 9, #ARGV, 3 do
    users[#users + 1] = ARGV[i]
end
for n, till in ipairs(redis.call('HMGET', KEYS[5], unpack(users))) do
    till = till and tonumber(#till < 16 and till:match('^%d+$') or 0)
    if till and (till == 0 or till > now_ms()) then
        left[#left + 1] = till == 0 and 0 or till - now_ms()
        later[n] = -1 - left[#left]
    else
        free[#free + 1] = n
    end
end
if #free == 0 then
    return {'banned', unpack(left)}
end

local members = redis.call('HLEN', KEYS[2])
local messages = redis.call('LLEN', KEYS[4])
local life_left = redis.call('PTTL', KEYS[2])
local came_in = redis.call('HMGET', KEYS[3], unpack(users))
local nodes = redis.call('HMGET', KEYS[2], unpack(users))
local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'changed')
local epoch, seq, rev = meta[1], whole(meta[2]), whole(meta[3])
local changed = whole(meta[4]) or 0
local made, token = 0, nil
local is_there = is_epoch(epoch) and seq and rev
local most, anybody, spared = ARGV[8]:match('^(%d+) (%d) (.*)$')
if most then
    local may_make = is_there or anybody == '1'
    for _, n in ipairs(free) do
        may_make = may_make or spared:find(',' .. n .. ',', 1, true)
    end
    local count, counted, admitted = is_there and members or 0, {}, {}
    for _, n in ipairs(free) do
        local is_counted = is_there and nodes[n] or counted[users[n]]
        if not may_make then
            later[n] = -3e15
        elseif most ~= '0' and not is_counted and count >= tonumber(most)
            and not spared:find(',' .. n .. ',', 1, true) then
            later[n] = -2e15
        else
            admitted[#admitted + 1] = n
            counted[users[n]] = true
            count = is_counted and count or count + 1
        end
    end
    free = admitted
    if #free == 0 then
        return {'refused', unpack(later)}
    end
end
redis.call('HLEN', KEYS[8]) -- of another type: fails before the first write
if not is_there then
    epoch, seq, rev, members, messages, came_in, nodes = ARGV[1], 0, 0, 0, 0, {}, {}
    made, changed = 1, 0
    token = create_room(KEYS[1], epoch, ARGV[3], KEYS[2], KEYS[3], KEYS[4], KEYS[7],
        KEYS[9])
end
token = token or take_over(KEYS[1], seq, rev)
local was_empty = made == 0 and members == 0

local lines, tokens, is_in = {}, {}, {}
local on, counts = {}, {} -- to KEYS[3] and KEYS[2]: user, value
for _, n in ipairs(free) do
    local i = 6 + 3 * n
    local user = ARGV[i]
    if came_in[n] ~= epoch and not is_in[user] then
        local count = tonumber(nodes[n])
        is_in[user] = true
        on[#on + 1], on[#on + 2] = user, epoch
        counts[#counts + 1] = user
        if count and count >= 1 and count < 2 ^ 53 then
            counts[#counts + 1] = digits(count + 1)
        else
            counts[#counts + 1] = '1'
            members = nodes[n] and members or members + 1
            lines[#lines + 1] = ARGV[i + 2] .. digits(members) .. '}'
            tokens[#tokens + 1] = ARGV[i + 1]
        end
    end
    later[n] = #lines
end
for _, n in ipairs(free) do
    later[n] = #lines - later[n]
end
if #on > 0 then
    redis.call('HSET', KEYS[3], unpack(on))
    redis.call('HSET', KEYS[2], unpack(counts))
end
if #lines > 0 then
    local raised = raise_rev(KEYS[1], rev, #lines)
    rev = rev + #lines
    if was_empty then
        redis.call('HDEL', KEYS[1], 'empty_since')
    end
    if members > tonumber(ARGV[4]) and made == 1 then -- nodes that had the lost one must know
        tell(KEYS[6], epoch, raised, 'remade', 0, '-', token, '')
    elseif members <= tonumber(ARGV[4]) then
        tell(KEYS[6], epoch, raised, 'joined', 0, table.concat(tokens, ','), token,
            table.concat(lines, '\n'))
    end
end
stamp_node(KEYS[8], ARGV[5], ARGV[6], KEYS[3], ARGV[7])
if made == 1 or life_left < ARGV[2] * 14 / 15 then
    prolong(ARGV[2], KEYS[1], KEYS[2], KEYS[4], KEYS[9])
end
return {'ok', epoch, seq, rev, members, messages, made, token, changed,
    unpack(#users > 1 and later or {})}
