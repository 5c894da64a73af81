-- classes.lua - read the room classes, and the number that says which they are.
--
-- Atomic because: a number stands for one content.
--
-- KEYS[1]  rc:policy           hash     classes_rev
-- KEYS[2]  rc:classes          hash     beginning of a room's name -> class, JSON
-- ARGV[1]  name                the field of that number, classes_rev
-- Returns  {number, {beginning, class, …}}; the number '0': there were none yet
--
-- Cost O(classes).

return {redis.call('HGET', KEYS[1], ARGV[1]) or '0', redis.call('HGETALL', KEYS[2])}
