-- room.lua - read what there is to say of a room, also that its keys are broken.
--
-- USES clock, room
--
-- Atomic because: whether a room counts down, and how long, must agree with its members.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash
-- KEYS[3]  rc:{ROOM}:history   list
-- KEYS[4]  rc:{ROOM}:bans      hash
-- KEYS[5]  rc:{ROOM}:mutes     hash
-- KEYS[6]  rc:{ROOM}:kicks     hash
-- KEYS[7]  rc:{ROOM}:keys      hash
-- KEYS[8]  rc:{ROOM}:keys:old  hash
-- KEYS[9]  rc:{ROOM}:closed    string
-- KEYS[10] rc:{ROOM}:nodes     hash
-- KEYS[11] rc:{ROOM}:changed   zset
-- KEYS[12…] rc:{ROOM}:on:NODE  hash     of nodes, as many as the caller wants looked at
-- ARGV[1]  room                returned as it is, so that an answer tells what it is about
-- Returns  {room, epoch, seq, shard_id, created_at, members, ms left, messages in the
--          history}, or {room}: it is gone, or {room, why}: it is broken
--
-- Cost O(keys).

local kinds = {'hash', 'hash', 'list', 'hash', 'hash', 'hash', 'hash', 'hash', 'string',
    'hash', 'zset'}
for i = 1, #KEYS do
    local kind, expected = redis.call('TYPE', KEYS[i]).ok, kinds[i] or 'hash'
    if kind ~= expected and kind ~= 'none' then
        return {ARGV[1], KEYS[i]:match('}:(.*)$') .. ' is a ' .. kind .. ', not a ' .. expected}
    end
end
if redis.call('EXISTS', KEYS[1]) == 0 then
    return {ARGV[1]}
end

local meta = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'rev', 'shard_id', 'created_at')
if not is_epoch(meta[1]) then
    return {ARGV[1], 'meta has no epoch'}
end
for i, field in ipairs({'seq', 'rev'}) do
    local number = (meta[i + 1] or ''):match('^%d+$')
    if not number or tonumber(number) >= 2 ^ 53 then
        return {ARGV[1], 'meta has no number in ' .. field}
    end
end
return {ARGV[1], meta[1], tonumber(meta[2]), tonumber(meta[4]) or 0, tonumber(meta[5]) or 0,
    redis.call('HLEN', KEYS[2]), redis.call('PTTL', KEYS[1]), redis.call('LLEN', KEYS[3])}
