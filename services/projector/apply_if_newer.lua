-- KEYS[1] a task's state key; ARGV version, state, feed channel, frame, inbox channel, sequence.
-- The state never goes back: an older version changes nothing and is not told again.
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if tonumber(ARGV[1]) <= known then
  return 0
end
redis.call('HSET', KEYS[1], 'version', ARGV[1], 'sequence', ARGV[6], 'state', ARGV[2])
redis.call('EXPIRE', KEYS[1], 604800)
redis.call('PUBLISH', ARGV[3], ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[2])
return 1
