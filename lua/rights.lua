-- rights.lua - tell which rights that the fleet needs this user has not: commands, and what keys
-- and channels they are allowed on.
--
-- Atomic because: it is one question.
--
-- KEYS[1]  none: Redis would refuse to ask where it is refused
-- ARGV[1]  pattern             of the keyspace notifications
-- ARGV[2]  is_cluster          1: Redis is one, else 0
-- ARGV[3]  keys                how many there are: one of each kind
-- ARGV[4…] the keys, then a channel of each kind
-- Returns  each command that is refused, each key as ~KEY and each channel as &CHANNEL; none
--          where Redis is too old to be asked
--
-- Cost O(commands). Nothing is written, nor read.

local pattern, last_key = ARGV[1], 3 + ARGV[3]
local key, channel = ARGV[4], ARGV[last_key + 1]
local needed = {
    {'del', key}, {'exists', key}, {'expire', key, '1'}, {'get', key}, {'getdel', key},
    {'hdel', key, 'f'}, {'hexists', key, 'f'}, {'hget', key, 'f'}, {'hgetall', key}, {'hkeys', key},
    {'hlen', key}, {'hmget', key, 'f'}, {'hrandfield', key}, {'hscan', key, '0'},
    {'hset', key, 'f', 'v'}, {'info'}, {'lindex', key, '0'}, {'llen', key},
    {'lpop', key}, {'lrange', key, '0', '1'}, {'lset', key, '0', 'v'},
    {'ltrim', key, '0', '1'}, {'persist', key}, {'pexpire', key, '1'},
    {'pexpireat', key, '1'}, {'pttl', key},
    {'rename', key, key}, {'rpop', key}, {'rpush', key, 'v'}, {'sadd', key, 'v'},
    {'set', key, 'v'}, {'sismember', key, 'v'}, {'srandmember', key},
    {'srem', key, 'v'}, {'sscan', key, '0'}, {'time'}, {'type', key}, {'unlink', key},
    {'xadd', key, '*', 'f', 'v'}, {'xdel', key, '1-1'}, {'xrevrange', key, '+', '-'},
    {'zadd', key, '1', 'v'}, {'zcard', key}, {'zrange', key, '0', '1'},
    {'zrangebyscore', key, '0', '1'}, {'zrem', key, 'v'},
    {'zremrangebyrank', key, '0', '1'}, {'zrevrange', key, '0', '1'},
    {'zscan', key, '0'}, {'zscore', key, 'v'}, {'evalsha', 'x', '0'},
    {'script', 'load', 'x'}, {'psubscribe', pattern},
}
local needed_to_tell = ARGV[2] == '1' and {
    {'spublish', channel, ''}, {'ssubscribe', channel}, {'sunsubscribe', channel},
    {'cluster', 'slots'}, {'cluster', 'myid'},
} or {
    {'publish', channel, ''}, {'subscribe', channel}, {'unsubscribe', channel},
}
local refused = {}

local function ask(name, ...)
    local known, may = pcall(redis.acl_check_cmd, ...)
    if redis.acl_check_cmd and not (known and may) then
        refused[#refused + 1] = name
    end
end

for _, command in ipairs(needed) do
    ask(command[1], unpack(command))
end
for _, command in ipairs(needed_to_tell) do
    ask(command[1] == 'cluster' and 'cluster|' .. command[2] or command[1], unpack(command))
end
for i = 4, #ARGV do
    if i <= last_key then
        ask('~' .. ARGV[i], 'set', ARGV[i], 'v')
    else
        ask('&' .. ARGV[i], 'publish', ARGV[i], '')
    end
end
return refused
