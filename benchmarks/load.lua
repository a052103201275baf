-- Requests of one workload for wrk, and the result as a line of JSON. In the environment: WORKLOAD, AUTHORIZATION (the header), SALT (8 hex digits of this
-- call, so that names and ids are new). The ids are those of seed.sql.
local api, ids = "/api/2.0/mlflow/", 0

function setup(thread)
  ids = ids + 1
  thread:set("thread", ids)
end

local function repeated(count, item)
  local parts = {}
  for i = 1, count do parts[i] = item(i) end
  return table.concat(parts, ",")
end

local function run(kind, number) return kind .. string.format("%028x", number) end

-- A batch of metrics for one of 64 runs. Every batch is a step of its own.
local function metrics(kind, amount, extra)
  local head = '","metrics":[' .. repeated(amount, function(i)
    return string.format('{"key":"metric%d","value":0.%03d,"timestamp":@,"step":#}', i, i)
  end) .. "]" .. extra .. "}"
  return function(n)
    local step = tostring((thread * 1e6 + n) % 1e9)
    return "POST", "runs/log-batch", '{"run_id":"' .. run(kind, (thread * 32 + n) % 64 + 1) .. head:gsub("[@#]", { ["@"] = tostring(started + n), ["#"] = step })
  end
end

local span = '{"traceId":"%s","spanId":"%016x","parentSpanId":"%s","name":"%s","kind":1,"startTimeUnixNano":"1700000000000000000","endTimeUnixNano":"1700000001000000000",'
  .. '"attributes":[{"key":"mlflow.spanInputs","value":{"stringValue":"{\\"question\\": \\"What is MLflow?\\"}"}},'
  .. '{"key":"mlflow.spanOutputs","value":{"stringValue":"{\\"answer\\": \\"A platform.\\"}"}},{"key":"mlflow.spanType","value":{"stringValue":"%s"}}],"status":{"code":1}}'

local workloads = {
  ["create-run"] = function(n)
    return "POST", "runs/create",
      string.format('{"experiment_id":"1002","run_name":"bench","start_time":%d,"tags":[{"key":"mlflow.user","value":"bench"}]}', started + n)
  end,
  ["log-batch-10"] = metrics("0010", 10, ',"params":[{"key":"lr","value":"0.1"},{"key":"depth","value":"6"}],"tags":[{"key":"stage","value":"train"}]'),
  ["log-batch-500"] = metrics("0500", 500, ""),
  ["log-params-100"] = function(n)
    return "POST", "runs/log-batch", '{"run_id":"' .. run("0100", (thread * 2048 + n) % 4096 + 1) .. '","params":[' .. repeated(100, function(i)
      return string.format('{"key":"p%s.%d.%d.%d","value":"%d"}', salt, thread, n, i, i)
    end) .. "]}"
  end,
  ["search-runs"] = function()
    return "POST", "runs/search", '{"experiment_ids":["1001"],"filter":"metrics.accuracy > 0.9 and params.model = \'m3\'",'
      .. '"order_by":["metrics.accuracy DESC"],"max_results":100}'
  end,
  ["search-experiments"] = function() return "POST", "experiments/search", '{"max_results":200,"order_by":["last_update_time DESC"]}' end,
  ["metric-history"] = function() return "GET", "metrics/get-history?metric_key=loss&max_results=1000&run_id=" .. run("4157", 1) end,
  ["trace-ingest"] = function(n)
    local trace = salt .. string.format("%08x%016x", thread, n)
    return "POST", "/v1/traces", '{"resourceSpans":[{"scopeSpans":[{"spans":[' .. span:format(trace, 1, "", "chain", "CHAIN") .. ","
      .. span:format(trace, 2, "0000000000000001", "retrieve", "RETRIEVER") .. "," .. span:format(trace, 3, "0000000000000001", "generate", "LLM") .. "]}]}]}"
  end,
}

function init()
  salt, started, count = os.getenv("SALT"), os.time() * 1000, 0
  workload = workloads[os.getenv("WORKLOAD")]
  headers = { ["Authorization"] = os.getenv("AUTHORIZATION"), ["Content-Type"] = "application/json", ["x-mlflow-experiment-id"] = "1003" }
end

function request()
  count = count + 1
  local method, path, body = workload(count)
  return wrk.format(method, path:sub(1, 1) == "/" and path or api .. path, headers, body)
end

function done(summary, latency)
  local errors = summary.errors
  local function ms(microseconds) return summary.requests > 0 and string.format("%.2f", microseconds / 1e3) or "null" end
  io.write(string.format('{"requests":%d,"seconds":%.3f,"p50_ms":%s,"p99_ms":%s,"max_ms":%s,"bad_status":%d,"socket_errors":%d,"timeouts":%d}\n',
    summary.requests, summary.duration / 1e6, ms(latency:percentile(50)), ms(latency:percentile(99)), ms(latency.max),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout))
end
