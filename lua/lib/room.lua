-- room.lua - what the scripts of a room have in common.
--
-- USES clock
--
-- whole(text)     the number, if `text` is a whole number from 0 to 2^53 - 1 in digits, else nil
-- is_epoch(text)  whether it is 16 hex digits, as the gateways make them
-- digits(number)  the text. Lua and Redis by themselves print a double, which takes several
--                 times as long
-- has_type(key, expected)
--                 whether the key is of this type, or not there
-- this_server()   master_replid: whose log the room's is from the next change on (SPEC-SCALE S4)
-- token_of(term, home)
--                 the two as one word, `home` shortened to 16 digits
-- known_token(term, home)
--                 the same of what meta has, nil if that is nothing
-- take_over(meta, seq, rev)
--                 the token under which this server changes the room. If another server did so
--                 before, this one has taken over at seq and rev, and terms says so. For after
--                 the first write, because full memory must not refuse the rest
-- has_other_line(history, last, digest, seq)
--                 whether the history of a room at seq has another message as number last than the
--                 one with this SHA-1 ('': not known): the room was put back, and others have
--                 written on. What was deleted or edited has another line, too
-- believed_rev(seen, terms, token, rev)
--                 how much of a rev that was seen under a token is of this log, which is at rev: no
--                 more than up to where the next server took over; nothing if the token is of
--                 another log, or if this one was put back below it
-- create_room(meta, epoch, shard_id, …)
--                 writes a new meta and gives its token; the other keys are left over from a
--                 lost one, and go
-- raise_rev(meta, rev, by)
--                 the new rev, as text
-- start_countdown(meta, history, changed, ttl_ms)
--                 nobody is in any more: the room lives for so long
-- prolong(ms, …)  the keys live for so long
-- stamp_node(nodes, node, every_ms, on, on_ms)
--                 the node has members here, and says so again each every_ms (SPEC-SCALE S3). `on`,
--                 its users, lives for on_ms, nodes at least for so long. For after the first
--                 write, because full memory must not refuse the rest
-- still_holds(till)
--                 whether an entry of bans or mutes counts: it is until a time (ms) to come, or for good:
--                 0, or no 1 to 15 digits
-- is_node(name)   whether it is a node's name, as the gateways make them
-- missing_nodes(nodes, from)
--                 {'again', node…}: of these no key rc:{ROOM}:on:NODE is among KEYS, from
--                 KEYS[from] on; nil if there are none
-- forget_node(nodes, node, on)
--                 takes the node off if `on` has none of its users left; gives how many there are

local function whole(text)
    local number = text and text:find('^%d+$') and tonumber(text)
    return number and number < 2 ^ 53 and number or nil
end

local function is_epoch(text)
    return text and #text == 16 and text:find('^[0-9a-f]+$')
end

local function digits(number)
    return string.format('%d', number)
end

local function has_type(key, expected)
    local found = redis.call('TYPE', key).ok
    return found == expected or found == 'none'
end

local function this_server()
    local info = redis.call('INFO', 'replication')
    local at = info:find('master_replid:', 1, true) + 14 -- to match it takes ten times as long
    return info:sub(at, at + 39)
end

local function token_of(term, home)
    return term .. '.' .. home:sub(1, 16)
end

local function known_token(term, home)
    return term and home and token_of(term, home) or nil
end

local function take_over(meta, seq, rev)
    local home, had = this_server(), redis.call('HMGET', meta, 'home', 'term')
    if had[1] == home and had[2] then
        return token_of(had[2], home)
    end
    local term, terms = digits((whole(had[2]) or 0) + 1), {}
    for entry in (redis.call('HGET', meta, 'terms') or ''):gmatch('[^,]+') do
        terms[#terms + 1] = entry
    end
    terms[#terms + 1] = term .. ' ' .. home:sub(1, 16) .. ' ' .. digits(seq) .. ' ' .. digits(rev)
    redis.call('HSET', meta, 'home', home, 'term', term,
        'terms', table.concat(terms, ',', math.max(1, #terms - 15)))
    return token_of(term, home)
end

local function has_other_line(history, last, digest, seq)
    local line = digest ~= '' and last <= seq and redis.call('LINDEX', history, last - seq - 1)
    if not line or redis.sha1hex(line) == digest then
        return false
    end
    local is_json, message = pcall(cjson.decode, line)
    return not (is_json and type(message) == 'table' and (message.deleted or message.edited_at))
end

local function believed_rev(seen, terms, token, rev)
    local is_next = false
    if seen >= 2 ^ 53 then -- of a life of the room that the node has yet to learn of
        return seen
    end
    for term, home, at in (terms or ''):gmatch('(%d+) (%x+) %d+ (%d+)') do
        if is_next then
            return math.min(seen, tonumber(at))
        end
        is_next = term .. '.' .. home == token
    end
    return (is_next or token == '') and seen <= rev and seen or 0
end

local function create_room(meta, epoch, shard_id, ...)
    local home = this_server()
    -- First what Redis refuses when memory is full: after a DEL it would not.
    if redis.call('HSET', meta, 'epoch', epoch, 'seq', 0, 'rev', 0, 'created_at', now_ms(),
        'shard_id', shard_id, 'home', home, 'term', 1, 'terms', '1 ' .. home:sub(1, 16) .. ' 0 0',
        'epoch_seq', 0) < 9 then -- some fields were left
        redis.call('HDEL', meta, 'bytes', 'keys_at', 'empty_since', 'changed',
            'former')
    end
    redis.call('DEL', ...)
    return token_of(1, home)
end

local function raise_rev(meta, rev, by)
    local raised = digits(rev + by)
    redis.call('HSET', meta, 'rev', raised)
    return raised
end

local function start_countdown(meta, history, changed, ttl_ms)
    redis.call('HSET', meta, 'empty_since', now_ms())
    redis.call('PEXPIRE', meta, ttl_ms)
    redis.call('PEXPIRE', history, ttl_ms)
    redis.call('PEXPIRE', changed, ttl_ms)
end

local function stamp_node(nodes, node, every_ms, on, on_ms)
    redis.call('PEXPIRE', on, on_ms)
    redis.call('HSET', nodes, node, digits(now_ms()) .. ' ' .. every_ms)
    if redis.call('PTTL', nodes) < tonumber(on_ms) then
        redis.call('PEXPIRE', nodes, on_ms)
    end
end

local function still_holds(till)
    till = till and (#till < 16 and whole(till) or 0)
    return till and (till == 0 or till > now_ms())
end

local function is_node(name)
    return #name <= 319 and name:find('^[A-Za-z0-9._-]+$')
end

local function missing_nodes(nodes, from)
    local given, answer = {}, {'again'}
    for i = from, #KEYS do
        given[KEYS[i]:match('[^:]*$')] = true -- a node's name has no colon
    end
    for _, node in ipairs(redis.call('HKEYS', nodes)) do
        if is_node(node) and not given[node] then
            answer[#answer + 1] = node
        end
    end
    return #answer > 1 and answer
end

local function forget_node(nodes, node, on)
    local users = redis.call('HLEN', on)
    if users == 0 then
        redis.call('HDEL', nodes, node)
    end
    return users
end

local function prolong(ms, ...)
    for _, key in ipairs({...}) do
        redis.call('PEXPIRE', key, ms)
    end
end
