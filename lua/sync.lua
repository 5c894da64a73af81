-- sync.lua - put a node's users back into a room, after an outage or an unknown outcome.
--
-- USES clock, room, notice
--
-- Atomic because: a kick or a closing that the node did not hear of must win over
-- putting back, and the counts, the revision and the notice must agree.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     recreated if Redis lost it, or its numbers are none
-- KEYS[2]  rc:{ROOM}:members   hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE   hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history   list
-- KEYS[5]  rc:{ROOM}:events    channel
-- KEYS[6]  rc:{ROOM}:kicks     hash     user -> rev and reason
-- KEYS[7]  rc:{ROOM}:closed    string   epochs and reason
-- KEYS[8]  rc:{ROOM}:bans      hash     user -> until ms; see join.lua
-- KEYS[9]  rc:{ROOM}:nodes     hash     node -> last stamp (ms), how often it stamps (ms)
-- KEYS[10] rc:{ROOM}:changed   zset     lives as the history does
-- ARGV[1]  known               the epoch that the node knows
-- ARGV[2]  epoch               for the room if it must be created
-- ARGV[3]  keep_ms             how long the keys of a room in use live
-- ARGV[4]  shard_id
-- ARGV[5]  events_max          no member_joined in rooms with more members
-- ARGV[6]  event               the JSON of member_joined up to the user
-- ARGV[7]  told                1: Redis was told of the node's users under this name
-- ARGV[8]  last                the number of the last message that the node has seen
-- ARGV[9]  digest              SHA-1 of its line; '' if it is not known
-- ARGV[10] node; [11] every_ms, [12] on_ms: as for join.lua
-- ARGV[13] token               under which the node has seen the room; '' if there is none
-- ARGV[14…] three a user, at most 500 users: user; percent-encoded; rev of the join
-- Returns  {'ok', epoch, seq, rev, members, users on this node, token, terms, changed, the
--          number after which this epoch began, kicked user, reason, …}
--          or {'closed', reason}, or {'torn', epoch}: a key of the room was lost, so the
--          counts of nodes tell nothing, or its history is another one, and nothing was done: to
--          be remade (remake.lua)
--
-- Cost O(users). A value in KEYS[3] that is neither the epoch nor the mark of a kick was put there
-- by somebody else, if the node was told under this epoch: the user is counted already.

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'changed', 'terms',
    'epoch_seq')
local epoch, seq, rev = meta[1], whole(meta[2]), whole(meta[3])
local closed, reason = (redis.call('GET', KEYS[7]) or ''):match('^(%S+) (.*)$')
if closed and (',' .. closed .. ','):find(',' .. ARGV[1] .. ',', 1, true)
    or closed == '*' and epoch ~= ARGV[1] then
    return {'closed', reason}
end

local users = {}
for i = 14, #ARGV, 3 do
    users[#users + 1] = ARGV[i]
end
local is_there = is_epoch(epoch) and seq and rev
local members = redis.call('HLEN', KEYS[2])
local kicked = redis.call('HLEN', KEYS[6]) > 0 and #users > 0
    and redis.call('HMGET', KEYS[6], unpack(users)) or {}
local came_in = #users > 0 and redis.call('HMGET', KEYS[3], unpack(users)) or {}
local nodes = #users > 0 and redis.call('HMGET', KEYS[2], unpack(users)) or {}

local function count_of(n)
    return whole(nodes[n]) or 0
end

if is_there and epoch == ARGV[1] and has_other_line(KEYS[4], whole(ARGV[8]), ARGV[9], seq) then
    return {'torn', epoch}
end

local banned = #users > 0 and redis.call('HLEN', KEYS[8]) > 0
    and redis.call('HMGET', KEYS[8], unpack(users)) or {}
local kicks, goes, is_counted = {}, {}, {}
for n, user in ipairs(users) do
    local joined = tonumber(ARGV[3 * n + 13])
    local kick, why = (is_there and kicked[n] or ''):match('^(%d+) ?(.*)$')
    if kick and tonumber(kick) > believed_rev(joined, meta[5], ARGV[13], rev) then
        goes[n] = true
        kicks[#kicks + 1], kicks[#kicks + 2] = user, why
    elseif came_in[n] ~= epoch and still_holds(banned[n]) then
        goes[n] = true
        kicks[#kicks + 1], kicks[#kicks + 2] = user, 'banned'
    elseif is_there then
        local was_in = ARGV[7] == '1' and epoch == ARGV[1] and joined > 0
        local is_odd = was_in and came_in[n] and came_in[n] ~= epoch
            and not came_in[n]:find('^kicked ')
        if (came_in[n] == epoch or is_odd) and count_of(n) < 1
            or was_in and not came_in[n] and nodes[n] then
            return {'torn', epoch}
        end
        is_counted[n] = is_odd
    end
end

redis.call('HLEN', KEYS[9]) -- of another type: fails before the first write
local token
if not is_there then
    epoch, seq, rev, members, came_in, nodes = ARGV[2], 0, 0, 0, {}, {}
    token = create_room(KEYS[1], epoch, ARGV[4], KEYS[2], KEYS[3], KEYS[4], KEYS[6],
        KEYS[10])
    prolong(ARGV[3], KEYS[1]) -- also if nobody is put in
    tell(KEYS[5], epoch, 0, 'remade', 0, '-', token, '')
end
token = token or take_over(KEYS[1], seq, rev)

local on, counts, lines, tokens = {}, {}, {}, {}
for n, user in ipairs(users) do
    if goes[n] then
        redis.call('HDEL', KEYS[3], user) -- the kick took them off the members
    elseif came_in[n] ~= epoch then
        local count = count_of(n) + (is_counted[n] and 0 or 1)
        on[#on + 1], on[#on + 2] = user, epoch
        counts[#counts + 1], counts[#counts + 2] = user, digits(count)
        if count == 1 and not is_counted[n] then
            members = nodes[n] and members or members + 1
            lines[#lines + 1] = ARGV[6] .. json_name(user) .. ',"members":' .. members .. '}'
            tokens[#tokens + 1] = ARGV[3 * n + 12]
        end
    end
end
if #on > 0 then
    redis.call('HSET', KEYS[3], unpack(on))
    redis.call('HSET', KEYS[2], unpack(counts))
end
if #lines > 0 then
    local raised = raise_rev(KEYS[1], rev, #lines)
    rev = rev + #lines
    redis.call('HDEL', KEYS[1], 'empty_since')
    if members <= tonumber(ARGV[5]) then
        tell(KEYS[5], epoch, raised, 'joined', 0, table.concat(tokens, ','), token,
            table.concat(lines, '\n'))
    end
end
if members > 0 then
    prolong(ARGV[3], KEYS[1], KEYS[2], KEYS[4], KEYS[10])
end
local users_here = forget_node(KEYS[9], ARGV[10], KEYS[3])
if users_here > 0 then
    stamp_node(KEYS[9], ARGV[10], ARGV[11], KEYS[3], ARGV[12])
end
return {'ok', epoch, seq, rev, members, users_here, token,
    redis.call('HGET', KEYS[1], 'terms'), is_there and whole(meta[4]) or 0,
    is_there and (whole(meta[6]) or seq) or 0, unpack(kicks)}
