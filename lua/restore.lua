-- restore.lua - put back one kind of the fleet's policy that Redis lost, or went back behind.
--
-- Atomic because: what is newer must not be overwritten.
--
-- USES policy
--
-- KEYS[1]  rc:policy           hash
-- KEYS[2]  rc:events           channel  for a cluster: all or nothing (docs/redis.md)
-- KEYS[3]  rc:classes          hash     only for what has one of its own
-- ARGV[1]  name                the field of the kind's number, as keys_rev
-- ARGV[2]  number              of the copy: up to 15 digits
-- ARGV[3…] field, value        the copy; with KEYS[3]: all of that hash
-- Returns  1 if it was put back, 0 if Redis has this or a newer one
--
-- Cost O(fields).

local there = redis.call('HGET', KEYS[1], ARGV[1])
if there and #there < 16 and there:match('^%d+$') and tonumber(there) >= tonumber(ARGV[2]) then
    return 0
end
write_policy(KEYS[1], KEYS[3], ARGV[1], ARGV[2], 3)
return 1
