-- reap.lua - take the users of a dead node out of a room.
--
-- Atomic because: several nodes may reap the same one at once, or one may die half-way,
-- and each user must be counted down once: the field that says so goes with the count.
--
-- KEYS[1]  rc:{ROOM}:meta      hash
-- KEYS[2]  rc:{ROOM}:members   hash     user -> on how many nodes
-- KEYS[3]  rc:{ROOM}:on:DEAD   hash     user -> epoch
-- KEYS[4]  rc:{ROOM}:history   list
-- KEYS[5]  rc:{ROOM}:events    channel
-- ARGV[1]  most                users a call
-- ARGV[2]  ttl_ms              how long an empty room lives
-- ARGV[3]  events_max          no member_left in rooms with more members
-- ARGV[4]  event               the JSON of member_left, reason expired, up to the user
-- Returns  {members gone, members left, users of the dead node still to reap}
--
-- Cost O(most). Where a key is of another type, or meta has no epoch or rev, only KEYS[3] is
-- emptied: the room is broken, and that must not keep the node from being reaped elsewhere.

local function has_type(key, expected)
    local found = redis.call('TYPE', KEYS[key]).ok
    return found == expected or found == 'none'
end

if not has_type(3, 'hash') then
    redis.call('DEL', KEYS[3])
end
local is_whole = has_type(1, 'hash') and has_type(2, 'hash')
local meta = is_whole and redis.call('HMGET', KEYS[1], 'epoch', 'rev') or {}
local rev = tonumber((meta[2] or ''):match('^%d+$'))
local epoch = rev and rev < 2 ^ 53 and meta[1]
local page = redis.call('HRANDFIELD', KEYS[3], ARGV[1], 'WITHVALUES')
local members = is_whole and redis.call('HLEN', KEYS[2]) or 0
local before = members
local lines, tokens = {}, {}

local function percent(byte)
    return string.format('%%%02X', byte:byte())
end

for i = 1, #page, 2 do
    local user = page[i]
    local nodes = epoch and page[i + 1] == epoch and redis.call('HGET', KEYS[2], user)
    redis.call('HDEL', KEYS[3], user)
    if nodes then
        local left = (tonumber(nodes) or 1) - 1
        if left >= 1 then
            redis.call('HSET', KEYS[2], user, string.format('%d', left))
        else
            redis.call('HDEL', KEYS[2], user)
            members = members - 1
            local name = cjson.encode(user):gsub('\\/', '/')
            lines[#lines + 1] = ARGV[4] .. name .. ',"members":' .. members .. '}'
            tokens[#tokens + 1] = user:gsub('[^A-Za-z0-9._~-]', percent)
        end
    end
end

if #lines > 0 then
    rev = string.format('%d', rev + #lines)
    redis.call('HSET', KEYS[1], 'rev', rev)
    if members == 0 then
        local time = redis.call('TIME')
        redis.call('HSET', KEYS[1], 'empty_since',
            time[1] * 1000 + math.floor(time[2] / 1000))
        redis.call('PEXPIRE', KEYS[1], ARGV[2])
        redis.call('PEXPIRE', KEYS[4], ARGV[2])
    end
    if members <= tonumber(ARGV[3]) then
        redis.call('PUBLISH', KEYS[5], '1 ' .. epoch .. ' ' .. rev .. ' left 0 0 '
            .. table.concat(tokens, ',') .. '\n' .. table.concat(lines, '\n'))
    end
end
return {before - members, members, redis.call('HLEN', KEYS[3])}
