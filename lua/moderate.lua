-- moderate.lua - ban or mute a user in a room, or lift it.
--
-- USES clock, room
--
-- Atomic because: the hash must live as long as its latest entry, and for good while
-- one of them is for good.
--
-- KEYS[1]  rc:{ROOM}:bans or :mutes   hash   user -> until ms; 0, or no 1 to 15 digits: for good
-- KEYS[2]  rc:{ROOM}:meta             hash   its rev counts this, if there is a room
-- KEYS[3]  rc:{ROOM}:events           channel   for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  user
-- ARGV[2]  secs                       how long; 0: for good; '' lifts
-- ARGV[3]  most                       entries at most
-- Returns  {'ok', until}, or {'absent'}: nothing to lift, or {'full'}
--
-- Cost O(entries). Entries whose time is over are dropped on the way.

local now = now_ms()
local lifts = ARGV[2] == ''
local till = lifts and -1 or ARGV[2] == '0' and 0 or now + ARGV[2] * 1000
local entries = redis.call('HGETALL', KEYS[1])
local had, count, latest, over = false, 0, till, {}

for i = 1, #entries, 2 do
    local other = tonumber(#entries[i + 1] < 16 and entries[i + 1]:match('^%d+$') or 0)
    if other > 0 and other <= now then
        over[#over + 1] = entries[i]
    elseif entries[i] == ARGV[1] then
        had = true
    else
        count = count + 1
        latest = (latest == 0 or other == 0) and 0 or math.max(latest, other)
    end
end
if lifts and not had then
    return {'absent'}
end
if not lifts and count >= tonumber(ARGV[3]) then
    return {'full'}
end

local meta = redis.call('HMGET', KEYS[2], 'seq', 'rev')
local seq, rev = whole(meta[1]), whole(meta[2])
redis.call('HDEL', KEYS[1], ARGV[1]) -- first: after it, full memory refuses nothing
if not lifts then
    redis.call('HSET', KEYS[1], ARGV[1], till)
end
if rev then -- else it is broken, and renew.lua finds it
    take_over(KEYS[2], seq or 0, rev)
    raise_rev(KEYS[2], rev, 1)
end
for _, user in ipairs(over) do
    if user ~= ARGV[1] then
        redis.call('HDEL', KEYS[1], user)
    end
end
if latest == 0 then
    redis.call('PERSIST', KEYS[1])
elseif latest > 0 then
    redis.call('PEXPIREAT', KEYS[1], latest)
end
return {'ok', till}
