-- notice.lua - what the gateways are told; docs/redis.md says what a notice looks like.
--
-- json_name(name)     as JSON
-- percent_name(name)  percent-encoded, as the gateways do
-- tell(channel, epoch, rev, kind, seq, users, token, lines)
--                     publishes a notice. seq: of the message it is about, 0 for none; users:
--                     percent-encoded, with commas between, '-' for none; lines: the events

local function json_name(name)
    return (cjson.encode(name):gsub('\\/', '/'))
end

local function percent_name(name)
    return (name:gsub('[^A-Za-z0-9._~-]', function(byte)
        return string.format('%%%02X', byte:byte())
    end))
end

local function tell(channel, epoch, rev, kind, seq, users, token, lines)
    redis.call('PUBLISH', channel, '1 ' .. epoch .. ' ' .. rev .. ' ' .. kind .. ' ' .. seq .. ' '
        .. seq .. ' ' .. users .. ' ' .. token .. '\n' .. lines)
end
