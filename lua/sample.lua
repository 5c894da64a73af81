-- sample.lua - add a point to the series of users online.
--
-- Atomic because: of several replicas only one samples, and a series has one point in
-- each ten seconds, whichever replica samples.
--
-- KEYS[1]  rc:stats:sampler    string   the replica that samples; expires
-- KEYS[2]  rc:stats:online     list     samples as JSON, oldest first
-- KEYS[3]  rc:events           channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  replica
-- ARGV[2]  lease_ms            another replica goes on when this one is silent for so long
-- ARGV[3]  keep                how many samples the list holds
-- ARGV[4]  sample              JSON behind the time
-- Returns  1: added; 0: it is not time yet, or another replica samples
--
-- Cost O(1). What is of a time to come was written before Redis's clock was set back: samples
-- are taken away, and a replica that samples until then does not count.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local sampler = redis.call('GET', KEYS[1])

redis.call('LLEN', KEYS[2]) -- of another type: fails before the first write
if sampler and sampler ~= ARGV[1] and redis.call('PTTL', KEYS[1]) <= tonumber(ARGV[2]) then
    return 0
end
redis.call('DEL', KEYS[1]) -- after it, full memory refuses nothing
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local last
repeat
    last = redis.call('LINDEX', KEYS[2], -1)
    last = tonumber(last and last:match('^{"ts":(%d+)') or 0)
    local is_ahead = last > now
    if is_ahead then
        redis.call('RPOP', KEYS[2])
    end
until not is_ahead
if math.floor(last / 10000) >= math.floor(now / 10000) then
    return 0
end
redis.call('RPUSH', KEYS[2], '{"ts":' .. now .. ARGV[4])
redis.call('LTRIM', KEYS[2], -ARGV[3], -1)
return 1
