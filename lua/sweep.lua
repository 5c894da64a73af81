-- sweep.lua - drop the entries of what is revoked whose time is over, some at a call.
--
-- USES clock, room
--
-- Atomic because: an entry may be given a later end meanwhile.
--
-- KEYS[1]  rc:revoked   hash     name -> '<issued before, s> <kept until, ms>'
-- KEYS[2]  rc:events    channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  cursor       of an HSCAN; '0' at the start
-- ARGV[2]  some         about how many are looked at
-- ARGV[3]  after_ms     how long after its end one is dropped: clocks differ
-- Returns  the next cursor, '0' at the end
--
-- Cost O(some). The number of the policy stays: everybody drops these by itself.

local page = redis.call('HSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local before = now_ms() - ARGV[3]
for i = 1, #page[2], 2 do
    local kept = page[2][i + 1]:match('^%d+ (%d+)$')
    if kept and (whole(kept) or before) < before then
        redis.call('HDEL', KEYS[1], page[2][i])
    end
end
return page[1]
