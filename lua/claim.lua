-- claim.lua - look again whether a node is dead, and say that it is being reaped.
--
-- USES clock, room
--
-- Atomic because: between the heartbeat that reported it and this call the node may
-- have come back.
--
-- KEYS[1]  rc:nodes             zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:DEAD:claim   string   the claimant, when it claimed (ms): the node is dead from
--          now on, until it is forgotten (forget.lua)
-- KEYS[3]  rc:events            channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  dead                 the node
-- ARGV[2]  lease_ms             a node silent for so long is dead; 0: the claimant's own
--          former name, which Redis may have lost
-- ARGV[3]  claimant             the node that reaps it
-- ARGV[4]  claim_ms             how long other nodes leave it to the claimant
-- Returns  1: go on; 0: it is alive, gone, or another node is at it
--
-- Cost O(1). A stamp of a heartbeat in the future is looked at again after a heartbeat has set it
-- to half a lease ago. A claim of the future was made before Redis's clock was set back.

local now = now_ms()
local heard = redis.call('ZSCORE', KEYS[1], ARGV[1])

if heard and tonumber(heard) > now - ARGV[2] or not heard and ARGV[2] ~= '0' then
    return 0
end
local holder, claimed = (redis.call('GET', KEYS[2]) or ''):match('^(%S+) (%d+)$')
claimed = whole(claimed) or 0
if holder and holder ~= ARGV[3] and claimed <= now and claimed + ARGV[4] > now then
    return 0
end
redis.call('DEL', KEYS[2]) -- after it, full memory refuses nothing
redis.call('SET', KEYS[2], ARGV[3] .. ' ' .. digits(now))
if not heard then -- so that others find it, should the claimant die half-way
    redis.call('ZADD', KEYS[1], now, ARGV[1])
end
return 1
