-- members.lua - read a page of a room's members.
--
-- Atomic because: whether the page is all of them or a part must agree with the count.
--
-- KEYS[1]  rc:{ROOM}:members   hash     user -> on how many nodes
-- ARGV[1]  cursor              of an HSCAN that goes on; '' at the start
-- ARGV[2]  limit               about how many
-- ARGV[3]  exact_max           up to so many members the reply holds all of them
-- ARGV[4]  with_nodes          1: after each user, on how many nodes
-- Returns  {count, 'all', user…} or {count, the next cursor ('0': the end), user…}
--
-- Cost O(limit), or O(exact_max).

local count = redis.call('HLEN', KEYS[1])
local next, pairs_found
if ARGV[1] == '' and count <= tonumber(ARGV[3]) then
    next, pairs_found = 'all', redis.call('HGETALL', KEYS[1])
else
    local page = redis.call('HSCAN', KEYS[1], ARGV[1] == '' and '0' or ARGV[1],
        'COUNT', ARGV[2])
    next, pairs_found = page[1], page[2]
end
local reply = {count, next}
for i = 1, #pairs_found, ARGV[4] == '1' and 1 or 2 do
    reply[#reply + 1] = pairs_found[i]
end
return reply
