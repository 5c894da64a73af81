-- clock.lua - Redis's clock, the only one that stamps in Redis are of.
--
-- now_ms()  ms since 1970

local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end
