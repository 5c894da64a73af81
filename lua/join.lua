-- join.lua - put a user into a room through one node.
--
-- Atomic because: the count of nodes a user is on, the revision and the notice must
-- agree, and the sequence number returned must be the one of that very moment: what
-- comes after it reaches the new member as a notice, what comes before by the history.
--
-- KEYS[1]  rc:{ROOM}:meta       hash     epoch, seq, rev, …; made here if it is missing
-- KEYS[2]  rc:{ROOM}:members    hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:NODE    hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history    list     gets its life prolonged
-- KEYS[5]  rc:{ROOM}:bans       hash     user -> until ms, 0: for good
-- KEYS[6]  rc:{ROOM}:events     channel
-- ARGV[1]  user
-- ARGV[2]  token                the user, percent-encoded, for the notice's header
-- ARGV[3]  event                the JSON of member_joined up to the count
-- ARGV[4]  epoch                for the room if it must be made
-- ARGV[5]  keep_ms              how long the keys of a room in use live
-- ARGV[6]  shard_id
-- ARGV[7]  events_max           no member_joined in rooms with more members
-- Returns  {'ok', epoch, seq, rev, members, messages in the history, 1 if made here},
--          or {'banned', ms left, 0: for good}
--
-- Cost O(1).

local user = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local banned = tonumber(redis.call('HGET', KEYS[5], user) or -1)
if banned == 0 or banned > now then
    return {'banned', banned == 0 and 0 or banned - now}
end

redis.call('HLEN', KEYS[2]) -- of another type: fails before the first write
redis.call('LLEN', KEYS[4])
local made = 0
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
    epoch = ARGV[4]
    made = 1
    -- First what Redis refuses when memory is full: behind a DEL it would not.
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'seq', 0, 'rev', 0,
        'created_at', now, 'shard_id', ARGV[6])
    redis.call('DEL', KEYS[2], KEYS[3], KEYS[4]) -- left over from a lost meta
end

if redis.call('HGET', KEYS[3], user) ~= epoch then
    redis.call('HSET', KEYS[3], user, epoch)
    if redis.call('HINCRBY', KEYS[2], user, 1) == 1 then
        local rev = redis.call('HINCRBY', KEYS[1], 'rev', 1)
        local members = redis.call('HLEN', KEYS[2])
        redis.call('HDEL', KEYS[1], 'empty_since')
        if members <= tonumber(ARGV[7]) then
            redis.call('PUBLISH', KEYS[6], '1 ' .. epoch .. ' ' .. rev .. ' joined 0 0 '
                .. ARGV[2] .. '\n' .. ARGV[3] .. members .. '}')
        end
    end
end
for i = 1, 4 do
    redis.call('PEXPIRE', KEYS[i], ARGV[5])
end
local state = redis.call('HMGET', KEYS[1], 'seq', 'rev')
return {'ok', epoch, tonumber(state[1]), tonumber(state[2]),
    redis.call('HLEN', KEYS[2]), redis.call('LLEN', KEYS[4]), made}
