-- Takes from some buckets, from all or from none, as `rate.rs` does.
-- Before it stands a line that sets `now`, in microseconds.
--
-- KEYS[1]   when the last outage ended
-- KEYS[2..] a bucket each: when all that was taken from it has flowed off
-- ARGV[1]   "outage" when one ends now, else empty
-- ARGV[2..] four for each bucket: the time that one request uses, how many
--           may come at once, how many after an outage, how many are wanted
--
-- Answers two numbers for each bucket: how many it gives, and the time that is
-- used. When one gives none, nothing was taken from any.

local KEEP_OUTAGE_SECONDS = 600 -- longer than any bucket takes to fill
local SPARE_MS = 1000 -- a bucket that is full may be forgotten, but not before

-- Whole microseconds: Lua's own format keeps 14 digits only.
local function whole(number)
  return string.format('%.0f', number)
end

local outage = tonumber(redis.call('GET', KEYS[1]) or '') or 0
if ARGV[1] == 'outage' or outage > now then
  outage = now
  redis.call('SET', KEYS[1], whole(outage), 'EX', KEEP_OUTAGE_SECONDS)
end

local interval, used, granted = {}, {}, {}
local all = true
for i = 2, #KEYS do
  local first = 4 * i - 6
  local burst = tonumber(ARGV[first + 1])
  local spare = tonumber(ARGV[first + 2])
  local want = tonumber(ARGV[first + 3])
  interval[i] = tonumber(ARGV[first])
  local capacity = interval[i] * burst
  local free_at = tonumber(redis.call('GET', KEYS[i]) or '') or 0
  -- What was counted elsewhere during the outage, nobody knows here.
  local cautious = outage + interval[i] * (burst - spare)
  used[i] = math.min(math.max(free_at, cautious, now) - now, capacity)
  granted[i] = math.min(want, math.floor((capacity - used[i]) / interval[i]))
  all = all and granted[i] > 0
end

local answer = {}
for i = 2, #KEYS do
  if all then
    used[i] = used[i] + granted[i] * interval[i]
    local keep_ms = math.ceil(used[i] / 1000) + SPARE_MS
    redis.call('SET', KEYS[i], whole(now + used[i]), 'PX', keep_ms)
  end
  answer[#answer + 1] = granted[i]
  answer[#answer + 1] = used[i]
end
return answer
