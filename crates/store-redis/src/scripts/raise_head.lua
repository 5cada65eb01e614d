-- Raises the head to another, each of its two counts by itself. Another log takes the place of the one before: a backup
-- was restored.
--
-- KEYS: head
-- ARGV: head
-- Returns 0: the head is gone, 1: it is at least there.

local head = redis.call('GET', KEYS[1])
if not head then
  return 0
end
local to = ARGV[1]
if #head ~= 32 or string.sub(head, 1, 16) ~= string.sub(to, 1, 16) then
  redis.call('SET', KEYS[1], to)
  return 1
end
-- Both are eight bytes, big-endian: the order of the bytes is the order of the numbers.
local seq, facts = string.sub(head, 17, 24), string.sub(head, 25, 32)
local to_seq, to_facts = string.sub(to, 17, 24), string.sub(to, 25, 32)
if to_seq > seq or to_facts > facts then
  seq = to_seq > seq and to_seq or seq
  facts = to_facts > facts and to_facts or facts
  redis.call('SET', KEYS[1], string.sub(head, 1, 16) .. seq .. facts)
end
return 1
