-- What the scripts share. A request is built once and sent again and again (no Lua runs under
-- load). Words after wrk's "--": the first is the number of requests a write, default 1.

function lines(count, bytes)
  local line = string.rep("x", bytes)
  local all = {}
  for i = 1, count do all[i] = line end
  return table.concat(all, "\n")
end

function init(args)
  local pipelined = tonumber(args[1] or "1")
  local format = wrk.format
  wrk.format = function(...) return string.rep(format(...), pipelined) end
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%.6f,"bytes":%d,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
