-- What wrk sends, and what it prints at the end.
--
-- Arguments: kind (submit, top, rank), first player, last player, seed, the path of the board that is
-- read, and for one who has an API key that.

function init(arguments)
    local kind = arguments[1]
    local first, last = tonumber(arguments[2]), tonumber(arguments[3])
    local host = wrk.headers["Host"]
    if arguments[6] then
        host = host .. "\r\nAuthorization: Bearer " .. arguments[6]
    end
    math.randomseed(tonumber(arguments[4]))
    if kind == "rank" then
        request = function()
            local path = arguments[5] .. "/rank/" .. math.random(first, last)
            return "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\n\r\n"
        end
    elseif kind == "submit" then
        request = function()
            local body = string.format(
                '{"user_id":%d,"score":%d}', math.random(first, last), math.random(0, 999)
            )
            return "POST /api/leaderboard/submit HTTP/1.1\r\nHost: " .. host
                .. "\r\nContent-Type: application/json\r\nContent-Length: " .. #body
                .. "\r\n\r\n" .. body
        end
    end
    -- Without a function of ours wrk sends the same bytes again and again, at no cost.
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"seconds": %f, "answers": %d, "errors": %d, "p50_ms": %f, "p90_ms": %f, '
            .. '"p99_ms": %f, "max_ms": %f}\n',
        summary.duration / 1e6,
        summary.requests - errors.status,
        errors.status + errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50) / 1000,
        latency:percentile(90) / 1000,
        latency:percentile(99) / 1000,
        latency.max / 1000
    ))
end
