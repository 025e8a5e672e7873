-- KEYS[1] a task's state key; ARGV feed channel, inbox channel, state, sequence, and then version
-- and frame of each of the events that led there, oldest first.
-- The state never goes back: an older version changes nothing and is not told again.
local known = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
local version = ARGV[#ARGV - 1]
if tonumber(version) <= known then
  return 0
end
redis.call('HSET', KEYS[1], 'version', version, 'sequence', ARGV[4], 'state', ARGV[3])
redis.call('EXPIRE', KEYS[1], 604800)
for place = 5, #ARGV, 2 do
  if tonumber(ARGV[place]) > known then
    redis.call('PUBLISH', ARGV[1], ARGV[place + 1])
  end
end
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
