-- sync.lua - put a node's users back into a room, after an outage or an unknown outcome.
--
-- Atomic because: a kick or a closing that the node did not hear of must win over
-- putting back, and the counts, the revision and the notice must agree.
--
-- KEYS[1]  rc:{ROOM}:meta      hash     made anew if Redis lost it
-- KEYS[2]  rc:{ROOM}:members   hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE   hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history   list
-- KEYS[5]  rc:{ROOM}:events    channel
-- KEYS[6]  rc:{ROOM}:kicks     hash     user -> rev and reason
-- KEYS[7]  rc:{ROOM}:closed    string   epoch and reason
-- ARGV[1]  known               the epoch that the node knows
-- ARGV[2]  epoch               for the room if it must be made
-- ARGV[3]  keep_ms             how long the keys of a room in use live
-- ARGV[4]  shard_id
-- ARGV[5]  events_max          no member_joined in rooms with more members
-- ARGV[6]  event               the JSON of member_joined up to the user
-- ARGV[7…] three a user, at most 500 users: user; percent-encoded; rev of the join
-- Returns  {'ok', epoch, seq, rev, members, users on this node, kicked user, reason, …}
--          or {'closed', reason}
--
-- Cost O(users).

local closed = redis.call('GET', KEYS[7])
if closed and closed:sub(1, #ARGV[1] + 1) == ARGV[1] .. ' ' then
    return {'closed', closed:sub(#ARGV[1] + 2)}
end

redis.call('HLEN', KEYS[2]) -- of another type: fails before the first write
redis.call('HLEN', KEYS[6])
local kicks = {}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
    local time = redis.call('TIME')
    epoch = ARGV[2]
    -- First what Redis refuses when memory is full: behind a DEL it would not.
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', 0, 'rev', 0, 'created_at',
        time[1] * 1000 + math.floor(time[2] / 1000), 'shard_id', ARGV[4])
    redis.call('PEXPIRE', KEYS[1], ARGV[3]) -- also if nobody is put in
    redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[6]) -- their revs mean nothing now
end

local function is_kicked(user, joined_rev)
    local kick = epoch == ARGV[1] and redis.call('HGET', KEYS[6], user)
    local rev, reason = (kick or ''):match('^(%d+) ?(.*)$')
    if rev and tonumber(rev) > tonumber(joined_rev) then
        kicks[#kicks + 1] = user
        kicks[#kicks + 1] = reason
        redis.call('HDEL', KEYS[3], user) -- the kick took them off the members
        return true
    end
    return false
end

local lines, tokens = {}, {}
for i = 7, #ARGV, 3 do
    local user = ARGV[i]
    if not is_kicked(user, ARGV[i + 2]) and redis.call('HGET', KEYS[3], user) ~= epoch then
        redis.call('HSET', KEYS[3], user, epoch)
        if redis.call('HINCRBY', KEYS[2], user, 1) == 1 then
            local name = cjson.encode(user):gsub('\\/', '/')
            lines[#lines + 1] = ARGV[6] .. name .. ',"members":'
                .. redis.call('HLEN', KEYS[2]) .. '}'
            tokens[#tokens + 1] = ARGV[i + 1]
        end
    end
end
local members = redis.call('HLEN', KEYS[2])
if #lines > 0 then
    local rev = redis.call('HINCRBY', KEYS[1], 'rev', #lines)
    redis.call('HDEL', KEYS[1], 'empty_since')
    if members <= tonumber(ARGV[5]) then
        redis.call('PUBLISH', KEYS[5], '1 ' .. epoch .. ' ' .. rev .. ' joined 0 0 '
            .. table.concat(tokens, ',') .. '\n' .. table.concat(lines, '\n'))
    end
end
if members > 0 then
    for i = 1, 4 do
        redis.call('PEXPIRE', KEYS[i], ARGV[3])
    end
end
local state = redis.call('HMGET', KEYS[1], 'seq', 'rev')
return {'ok', epoch, tonumber(state[1]), tonumber(state[2]), members,
    redis.call('HLEN', KEYS[3]), unpack(kicks)}
