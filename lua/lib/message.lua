-- message.lua - a message of a room's history that is deleted or edited.
--
-- USES clock, room
--
-- find_message(meta, history, seq, user, on, mutes, bans)
--                 message `seq`: {epoch, last and rev of the room, seq, place, line}. Or nil and, as a
--                 word, why it cannot be changed: no room, not in the history, or, where a user is
--                 given, not in (`on`), banned or muted
-- is_own(line, user, life_ms)
--                 whether the message is the user's, and no older than life_ms by Redis's clock
-- replace_line(meta, history, changed, message, line, keep)
--                 puts the line in place of the message's, and remembers that it was changed, of at most
--                 `keep`. Gives the room's new rev as text, and the token

local function find_message(meta, history, seq, user, on, mutes, bans)
    local values = redis.call('HMGET', meta, 'epoch', 'seq', 'rev')
    local epoch, last, rev = values[1], whole(values[2]), whole(values[3])
    if not (epoch and last and rev) then
        return nil, 'no_room'
    elseif user and redis.call('HGET', on, user) ~= epoch then
        return nil, 'not_joined'
    elseif user and still_holds(redis.call('HGET', bans, user)) then
        return nil, 'banned'
    elseif user and still_holds(redis.call('HGET', mutes, user)) then
        return nil, 'muted'
    end
    local place = seq - (last - redis.call('LLEN', history) + 1)
    local line = place >= 0 and redis.call('LINDEX', history, place)
    if not line then
        return nil, 'no_message'
    end
    return {epoch = epoch, last = last, rev = rev, seq = seq, place = place, line = line}
end

local function is_own(line, user, life_ms)
    local is_json, message = pcall(cjson.decode, line)
    return is_json and type(message) == 'table' and message.user == user
        and (tonumber(message.ts) or 0) + life_ms > now_ms()
end

local function replace_line(meta, history, changed, message, line, keep)
    local more, raised = #line - #message.line, digits(message.rev + 1)
    redis.call('ZCARD', changed) -- of another type: fails before the first write
    redis.call('HDEL', meta, '') -- after it, full memory refuses nothing
    local token = take_over(meta, message.last, message.rev)
    local bytes = tonumber(redis.call('HGET', meta, 'bytes'))
    redis.call('HSET', meta, 'rev', raised, 'changed', raised)
    if bytes then -- below 0: at most so many (publish.lua)
        redis.call('HSET', meta, 'bytes', digits(bytes < 0 and bytes - more or bytes + more))
    end
    redis.call('LSET', history, message.place, line)
    redis.call('ZADD', changed, raised, digits(message.seq))
    redis.call('ZREMRANGEBYRANK', changed, 0, -1 - keep)
    redis.call('PEXPIRE', changed, redis.call('PTTL', history))
    return raised, token
end
