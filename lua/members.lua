-- members.lua - read a page of a room's members.
--
-- Atomic because: whether the page is all of them or a part must agree with the count.
--
-- KEYS[1]  rc:{ROOM}:members   hash     user -> on how many nodes
-- ARGV[1]  cursor              of an HSCAN that goes on; '' at the start
-- ARGV[2]  limit               about how many
-- ARGV[3]  exact_max           up to so many members the reply holds all of them
-- Returns  {count, 'all', user…} or {count, the next cursor ('0': the end), user…}
--
-- Cost O(limit), or O(exact_max).

local count = redis.call('HLEN', KEYS[1])
if ARGV[1] == '' and count <= tonumber(ARGV[3]) then
    return {count, 'all', unpack(redis.call('HKEYS', KEYS[1]))}
end
local cursor = ARGV[1] == '' and '0' or ARGV[1]
local page = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', ARGV[2])
local reply = {count, page[1]}
for i = 1, #page[2], 2 do
    reply[#reply + 1] = page[2][i]
end
return reply
