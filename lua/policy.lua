-- policy.lua - change one kind of the fleet's policy, if it is still what the caller has read.
--
-- Atomic because: its number says which content it is; two that change it at once must not both win.
--
-- USES clock, room, policy
--
-- KEYS[1]  rc:policy           hash
-- KEYS[2]  rc:events           channel  for a cluster: all or nothing (docs/redis.md)
-- KEYS[3]  rc:classes          hash     only for what has one of its own
-- ARGV[1]  number              the field of the kind's number, as keys_rev
-- ARGV[2]  seen                the number that was read; 0: none
-- ARGV[3]  known               the highest number that the caller knows of
-- ARGV[4…] field, value        what is written with it; with KEYS[3]: all of that hash
-- Returns  {1, number} with the new one, or {0, number} with the one that is there
--
-- Cost O(fields).

local there = whole(redis.call('HGET', KEYS[1], ARGV[1])) or 0
if there ~= tonumber(ARGV[2]) then
    return {0, there}
end
local number = math.max(now_ms(), there + 1, tonumber(ARGV[3]) + 1)
write_policy(KEYS[1], KEYS[3], ARGV[1], digits(number), 4)
return {1, number}
