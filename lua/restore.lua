-- restore.lua - put back the keys of issuers that Redis lost, or went back behind.
--
-- Atomic because: what is newer must not be overwritten.
--
-- KEYS[1]  rc:policy   hash     keys, keys_rev and others
-- KEYS[2]  rc:events   channel  for a cluster: all or nothing (docs/redis.md)
-- ARGV[1]  rev         of the copy: a number of up to 15 digits
-- ARGV[2]  keys        JSON, {issuer: JWKS}
-- Returns  1 if they were put back, 0 if Redis has these or newer ones
--
-- Cost O(1).

local rev = redis.call('HGET', KEYS[1], 'keys_rev')
if rev and #rev < 16 and rev:match('^%d+$') and tonumber(rev) >= tonumber(ARGV[1]) then
    return 0
end
redis.call('HDEL', KEYS[1], '') -- none; after it, full memory refuses nothing
redis.call('HSET', KEYS[1], 'keys', ARGV[2], 'keys_rev', ARGV[1])
return 1
