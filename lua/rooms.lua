-- rooms.lua - read a page of an index of rooms, highest score first.
--
-- Atomic because: where the page begins is found by its score and name, and must not
-- move before it is read.
--
-- KEYS[1]  rc:rooms or rc:rooms:members   zset
-- ARGV[1]  score               of the last room of the page before; '' at the start
-- ARGV[2]  room                its name
-- ARGV[3]  limit
-- Returns  {rooms in the index, room, score, …}
--
-- Cost O(log rooms * log rooms + limit). The place is searched by halves, so it does not
-- matter whether that last room is still there, nor how many have the same score.

-- As Redis orders names; Lua's < depends on the locale.
local function is_before(a, b)
    for i = 1, math.min(#a, #b) do
        if a:byte(i) ~= b:byte(i) then
            return a:byte(i) < b:byte(i)
        end
    end
    return #a < #b
end

local total = redis.call('ZCARD', KEYS[1])
local from = 0
if ARGV[1] ~= '' then
    local score, to = tonumber(ARGV[1]), total
    while from < to do
        local middle = math.floor((from + to) / 2)
        local at = redis.call('ZREVRANGE', KEYS[1], middle, middle, 'WITHSCORES')
        local other = tonumber(at[2])
        if other < score or (other == score and is_before(at[1], ARGV[2])) then
            to = middle
        else
            from = middle + 1
        end
    end
end
return {total, unpack(redis.call('ZREVRANGE', KEYS[1], from, from + ARGV[3] - 1,
    'WITHSCORES'))}
