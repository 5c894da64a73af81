-- rights.lua - tell which commands that the fleet needs are refused to this user.
--
-- Atomic because: it is one question.
--
-- KEYS[1]  rc:nodes            any key under the prefix stands for all
-- ARGV[1]  channel             any channel of ours
-- ARGV[2]  pattern             of the keyspace notifications
-- Returns  each command that is refused; none where Redis is too old to be asked
--
-- Cost O(commands). Nothing is written, nor read.

local key, channel, pattern = KEYS[1], ARGV[1], ARGV[2]
local needed = {
    {'del', key}, {'exists', key}, {'expire', key, '1'}, {'get', key},
    {'hdel', key, 'f'}, {'hexists', key, 'f'}, {'hget', key, 'f'}, {'hgetall', key},
    {'hlen', key}, {'hmget', key, 'f'}, {'hrandfield', key}, {'hscan', key, '0'},
    {'hset', key, 'f', 'v'}, {'info'}, {'lindex', key, '0'}, {'llen', key},
    {'lpop', key}, {'lrange', key, '0', '1'}, {'lset', key, '0', 'v'},
    {'ltrim', key, '0', '1'}, {'persist', key}, {'pexpire', key, '1'},
    {'pexpireat', key, '1'}, {'pttl', key}, {'publish', channel, ''},
    {'rename', key, key}, {'rpop', key}, {'rpush', key, 'v'}, {'sadd', key, 'v'},
    {'set', key, 'v'}, {'sismember', key, 'v'}, {'srandmember', key},
    {'srem', key, 'v'}, {'sscan', key, '0'}, {'time'}, {'type', key}, {'unlink', key},
    {'xadd', key, '*', 'f', 'v'}, {'xdel', key, '1-1'}, {'xrevrange', key, '+', '-'},
    {'zadd', key, '1', 'v'}, {'zcard', key}, {'zrange', key, '0', '1'},
    {'zrangebyscore', key, '0', '1'}, {'zrem', key, 'v'}, {'zrevrange', key, '0', '1'},
    {'zscan', key, '0'}, {'zscore', key, 'v'}, {'evalsha', 'x', '0'},
    {'script', 'load', 'x'}, {'subscribe', channel}, {'unsubscribe', channel},
    {'psubscribe', pattern},
}
local refused = {}

for _, command in ipairs(needed) do
    local known, may = pcall(redis.acl_check_cmd, unpack(command))
    if redis.acl_check_cmd and not (known and may) then
        refused[#refused + 1] = command[1]
    end
end
return refused
