-- heartbeat.lua - say that a node is alive, and learn which ones are silent.
--
-- USES clock
--
-- Atomic because: a node that was declared dead must not come to life again under the
-- same name while others reap it.
--
-- KEYS[1]  rc:nodes             zset     node -> last heartbeat (ms)
-- KEYS[2]  rc:node:NODE         hash     what the node says of itself
-- KEYS[3]  rc:node:NODE:claim   string   there from the claim on: the node is dead
-- KEYS[4]  rc:events            channel  for a cluster: all or nothing (docs/redis.md)
-- KEYS[5]  rc:stats             hash     totals of the fleet: with the first shard's heartbeat only
-- KEYS[6]  rc:policy            hash     the same: numbers of what each worker has a copy of
-- ARGV[1]  node
-- ARGV[2]  lease_ms             a node silent for so long is dead
-- ARGV[3]  first                1: the first heartbeat under this name
-- ARGV[4]  messages             published since the last heartbeat
-- ARGV[5…] field, value         of the hash
-- Returns  {'ok', silent node…} (at most 16), {'lost', silent node…}: the same, but what the node
--          says of itself was gone, so more may be; or {'dead'}: take another name. With KEYS[6] the last
--          element of the first two is {keys, classes, revoked, sanctions, announcements}: numbers, '0' for none
--
-- A node that is silent for longer than the lease, as after a Redis that stood still, is dead only
-- if it was claimed meanwhile, or forgotten after that.
--
-- Cost O(log nodes). A stamp in the future was written before Redis's clock was set back, and
-- tells nothing. It is set to half a lease ago: a living node beats each third of a lease, so it
-- beats again in time, and a dead one is silent no later than if its last heartbeat had come at the
-- moment the clock was set back: a third, until somebody beats, and a half are less than a lease.

local function add_numbers(answer)
    local found = redis.call('TYPE', KEYS[6]).ok == 'hash' and redis.call('HMGET', KEYS[6],
        'keys_rev', 'classes_rev', 'revoked_rev', 'sanctions_rev', 'announcements_rev') or {}
    for i = 1, 5 do
        found[i] = found[i] or '0'
    end
    answer[#answer + 1] = found
end

local now = now_ms()

local is_known = redis.call('HLEN', KEYS[2]) > 0 -- of another type: fails here
local is_first = ARGV[3] == '1'
if not is_first and (redis.call('EXISTS', KEYS[3]) == 1
    or not redis.call('ZSCORE', KEYS[1], ARGV[1])) then
    return {'dead'}
end
local total = '' -- of messages, if there is something to add and the key takes it
if KEYS[5] and tonumber(ARGV[4]) > 0 then
    local kind = redis.call('TYPE', KEYS[5]).ok
    local had = kind == 'hash' and redis.call('HGET', KEYS[5], 'messages_total') or '0'
    had = #had < 16 and had:match('^%d+$') or '0'
    total = (kind == 'hash' or kind == 'none') and string.format('%d', had + ARGV[4]) or ''
end
redis.call('HDEL', KEYS[2], '') -- after it, full memory refuses nothing
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[2], ARGV[2])
if total ~= '' then
    redis.call('HSET', KEYS[5], 'messages_total', total)
end
for _, node in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now, '+inf', 'LIMIT', 0, 64)) do
    redis.call('ZADD', KEYS[1], 'XX', now - math.floor(ARGV[2] / 2), node)
end
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2], 'LIMIT', 0, 16)
local answer = {(is_known or is_first) and 'ok' or 'lost', unpack(silent)}
if KEYS[6] then
    add_numbers(answer)
end
return answer
