-- KEYS[1] a bucket; ARGV: how many it holds, how many come back per second, how many to take (1, or
-- -1 to give one back). Answers {taken, level}.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local most, a_second, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(kept[1]) or most
local at = tonumber(kept[2]) or now
level = math.min(most, level + math.max(0, now - at) * a_second)
local taken = 0
if level >= wanted then
  level = math.min(most, level - wanted)
  taken = 1
end
redis.call('HSET', KEYS[1], 'level', string.format('%.6f', level), 'at', string.format('%.6f', now))
redis.call('EXPIRE', KEYS[1], math.ceil(most / a_second) + 1)
return {taken, string.format('%.6f', level)}
