-- message.lua - a message of a room's history that is deleted or edited.
--
-- USES clock, room
--
-- find_line(history, seq, last)
--                 the line of message `seq`, where `last` is the room's last message, and its place;
--                 nil if it is not there
-- user_refusal(on, mutes, bans, user, epoch)
--                 why `user` may change nothing in the room, as a word: it must be in, in `on`, and
--                 neither muted nor banned. nil: it may
-- is_own(line, user, life_ms)
--                 whether the message is the user's, and no older than life_ms by Redis's clock
-- replace_line(meta, history, changed, change)
--                 puts a line in place of the one at {place, was, line, seq, rev, keep}, and remembers
--                 that message `seq` was changed, of at most `keep`. Gives the room's new rev as
--                 text. For after the first write, because full memory must not refuse the rest

local function find_line(history, seq, last)
    local place = seq - (last - redis.call('LLEN', history) + 1)
    local line = place >= 0 and redis.call('LINDEX', history, place)
    if line then
        return line, place
    end
end

local function is_held(key, user)
    local till = redis.call('HGET', key, user)
    till = till and (#till < 16 and whole(till) or 0)
    return till and (till == 0 or till > now_ms())
end

local function user_refusal(on, mutes, bans, user, epoch)
    return redis.call('HGET', on, user) ~= epoch and 'not_joined'
        or is_held(bans, user) and 'banned' or is_held(mutes, user) and 'muted' or nil
end

local function is_own(line, user, life_ms)
    local is_json, message = pcall(cjson.decode, line)
    return is_json and type(message) == 'table' and message.user == user
        and (tonumber(message.ts) or 0) + life_ms > now_ms()
end

local function replace_line(meta, history, changed, change)
    local bytes, raised = tonumber(redis.call('HGET', meta, 'bytes')), digits(change.rev + 1)
    local more = #change.line - #change.was
    redis.call('HSET', meta, 'rev', raised, 'changed', raised)
    if bytes then -- below 0: at most so many (publish.lua)
        redis.call('HSET', meta, 'bytes', digits(bytes < 0 and bytes - more or bytes + more))
    end
    redis.call('LSET', history, change.place, change.line)
    redis.call('ZADD', changed, raised, change.seq)
    redis.call('ZREMRANGEBYRANK', changed, 0, -1 - change.keep)
    redis.call('PEXPIRE', changed, redis.call('PTTL', history))
    return raised
end
