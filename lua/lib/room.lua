-- room.lua - what the scripts of a room have in common.
--
-- USES clock
--
-- whole(text)     the number, if `text` is a whole number from 0 to 2^53 - 1 in digits, else nil
-- digits(number)  the text. Lua and Redis by themselves print a double, which takes several
--                 times as long
-- has_type(key, expected)
--                 whether the key is of this type, or not there
-- create_room(meta, epoch, shard_id, …)
--                 writes a new meta; the other keys are left over from a lost one, and go
-- raise_rev(meta, rev, by)
--                 the new rev, as text
-- start_countdown(meta, history, ttl_ms)
--                 nobody is in any more: the room lives for so long
-- prolong(ms, …)  the keys live for so long

local function whole(text)
    local number = text and text:find('^%d+$') and tonumber(text)
    return number and number < 2 ^ 53 and number or nil
end

local function digits(number)
    return string.format('%d', number)
end

local function has_type(key, expected)
    local found = redis.call('TYPE', key).ok
    return found == expected or found == 'none'
end

local function create_room(meta, epoch, shard_id, ...)
    -- First what Redis refuses when memory is full: after a DEL it would not.
    if redis.call('HSET', meta, 'epoch', epoch, 'seq', 0, 'rev', 0, 'created_at', now_ms(),
        'shard_id', shard_id) < 5 then -- some fields were left
        redis.call('HDEL', meta, 'bytes', 'keys_at', 'empty_since')
    end
    redis.call('DEL', ...)
end

local function raise_rev(meta, rev, by)
    local raised = digits(rev + by)
    redis.call('HSET', meta, 'rev', raised)
    return raised
end

local function start_countdown(meta, history, ttl_ms)
    redis.call('HSET', meta, 'empty_since', now_ms())
    redis.call('PEXPIRE', meta, ttl_ms)
    redis.call('PEXPIRE', history, ttl_ms)
end

local function prolong(ms, ...)
    for _, key in ipairs({...}) do
        redis.call('PEXPIRE', key, ms)
    end
end
