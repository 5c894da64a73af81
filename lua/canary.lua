-- canary.lua - a node of a Redis Cluster tells itself a number, and writes it.
--
-- Atomic because: a master that lost its majority still lets a node hear itself, but does not let it
-- write. So a canary that comes back proves both.
--
-- KEYS[1]  rc:canary:{N}:NODE   string and channel
-- ARGV[1]  number
-- ARGV[2]  lease_ms             how long the key lives
-- Returns  how many heard it
--
-- Cost O(1).

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('PUBLISH', KEYS[1], ARGV[1])
