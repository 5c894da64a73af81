-- revoke.lua - add entries to what is revoked, or put back some that Redis lost.
--
-- Atomic because: the number says which entries there are; two that add some must not give it twice.
--
-- USES clock, room
--
-- KEYS[1]  rc:policy           hash     its revoked_rev is the number
-- KEYS[2]  rc:revoked          hash     user:USER or jti:JTI -> '<issued before, s> <kept until, ms>'
-- KEYS[3]  rc:policy:restore   string   the lock of who puts back
-- KEYS[4]  rc:events           channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  known               the highest number that the caller knows of; '': the number stays
-- ARGV[2]  most                entries at most
-- ARGV[3]  lock                what is given up, or ''
-- ARGV[4…] name, issued before, kept until
-- Returns  {the number before, the number now, how many entries did not fit}. Where none did, nothing
--          has changed but the lock
--
-- Cost O(entries given). Of two entries for one name the later moment and the later end count.

local before = whole(redis.call('HGET', KEYS[1], 'revoked_rev')) or 0
local left = ARGV[2] - redis.call('HLEN', KEYS[2])
local holds = ARGV[3] ~= '' and redis.call('GET', KEYS[3]) == ARGV[3]
local refused = 0

redis.call('HDEL', KEYS[1], '') -- none; after it, full memory refuses nothing
for i = 4, #ARGV, 3 do
    local had = redis.call('HGET', KEYS[2], ARGV[i])
    if had or left > 0 then
        local issued, kept = (had or ''):match('^(%d+) (%d+)$')
        redis.call('HSET', KEYS[2], ARGV[i],
            digits(math.max(whole(issued) or 0, tonumber(ARGV[i + 1]))) .. ' '
            .. digits(math.max(whole(kept) or 0, tonumber(ARGV[i + 2]))))
        left = left - (had and 0 or 1)
    else
        refused = refused + 1
    end
end
if holds then
    redis.call('DEL', KEYS[3])
end
if refused > 0 and refused * 3 == #ARGV - 3 then
    return {before, before, refused}
end

local number = before
if ARGV[1] ~= '' then
    number = math.max(now_ms(), before + 1, tonumber(ARGV[1]) + 1)
    redis.call('HSET', KEYS[1], 'revoked_rev', digits(number))
end
return {before, number, refused}
