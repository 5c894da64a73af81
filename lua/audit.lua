-- audit.lua - note what an operator did, and tell the admin services.
--
-- Atomic because: what is told carries the entry's id and time.
--
-- KEYS[1]  rc:audit            stream
-- KEYS[2]  rc:events           channel  of the fleet
-- ARGV[1]  keep                about how many entries the stream holds
-- ARGV[2]  event               the JSON of the entry behind its id and time
-- ARGV[3…] field, value        of the entry
-- Returns  the entry's id
--
-- Cost O(1).

redis.call('XDEL', KEYS[1], '0-1') -- none; after it, full memory refuses nothing
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))
redis.call('PUBLISH', KEYS[2], '{"type":"audit","id":"' .. id .. '","ts":'
    .. id:match('^%d+') .. ARGV[2])
return id
