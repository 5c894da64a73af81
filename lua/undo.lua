-- undo.lua - take the users of a dead node out of a room.
--
-- Atomic because: several nodes may undo the same one at once, or one may die half-way,
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
-- Returns  {members gone, members left, users of the dead node still to undo}
--
-- Cost O(most).

local epoch = redis.call('HGET', KEYS[1], 'epoch')
local page = redis.call('HRANDFIELD', KEYS[3], ARGV[1], 'WITHVALUES')
local before = redis.call('HLEN', KEYS[2])
local lines, tokens = {}, {}

local function percent(byte)
    return string.format('%%%02X', byte:byte())
end

for i = 1, #page, 2 do
    local user = page[i]
    redis.call('HDEL', KEYS[3], user)
    if epoch and page[i + 1] == epoch and redis.call('HEXISTS', KEYS[2], user) == 1
        and redis.call('HINCRBY', KEYS[2], user, -1) < 1 then
        redis.call('HDEL', KEYS[2], user)
        local name = cjson.encode(user):gsub('\\/', '/')
        lines[#lines + 1] = ARGV[4] .. name .. ',"members":'
            .. redis.call('HLEN', KEYS[2]) .. '}'
        tokens[#tokens + 1] = user:gsub('[^A-Za-z0-9._~-]', percent)
    end
end

local members = redis.call('HLEN', KEYS[2])
if #lines > 0 then
    local rev = redis.call('HINCRBY', KEYS[1], 'rev', #lines)
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
