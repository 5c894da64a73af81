-- policy.lua - what the scripts have in common that write the fleet's policy.
--
-- write_policy(policy, own, name, number, from)
--                 the kind's number, of this name, and ARGV[from…] with it: fields and values of
--                 the hash `policy`, or, unless nil, all of the hash `own`. For after the checks

local function write_policy(policy, own, name, number, from)
    redis.call('HDEL', policy, '') -- none; after it, full memory refuses nothing
    redis.call('HSET', policy, name, number)
    if own then
        redis.call('DEL', own)
    end
    if #ARGV >= from then
        redis.call('HSET', own or policy, unpack(ARGV, from))
    end
end
