-- Raises the head to another, each of its two counts by itself. One of another log stays, unless that log is one of those
-- whose place is taken: a backup was restored.
--
-- KEYS: head
-- ARGV: head, ids of logs whose place it takes
-- Returns 0: the head is gone, 1: it was raised, 2: it was at least there; the id of its log where it stays.

local head = redis.call('GET', KEYS[1])
if not head then
  return 0
end
local to = ARGV[1]
if #head == 32 and not of_one_log(head, to) and not may_be_replaced(head) then
  return string.sub(head, 1, 16)
end
if #head ~= 32 or not of_one_log(head, to) then
  redis.call('SET', KEYS[1], to)
  return 1
end
local seq, facts = string.sub(head, 17, 24), string.sub(head, 25, 32)
local to_seq, to_facts = string.sub(to, 17, 24), string.sub(to, 25, 32)
local seq_is_below, facts_are_below = below(seq, to_seq), below(facts, to_facts)
if not seq_is_below and not facts_are_below then
  return 2
end
seq = seq_is_below and to_seq or seq
facts = facts_are_below and to_facts or facts
redis.call('SET', KEYS[1], string.sub(head, 1, 16) .. seq .. facts)
return 1
