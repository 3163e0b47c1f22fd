#include "store/redis_script.h"

#include <openssl/sha.h>

#include <array>
#include <string>

namespace rivulet {

// How "all or nothing" holds, where Redis undoes nothing: sure() looks at all that the commands
// touch before anything is written. Where it is not sure (a text that is set and then counted on, a
// kind that is wrong but perhaps skipped), commands run on with every key copied before its first
// change, and the copies come back when one is refused.
//
// Beyond 400 lines because it is one script: Redis caches it by its hash and runs it as one.
const std::string_view kRedisScript = R"lua(
local KEYS = KEYS
local call, try = redis.call, redis.pcall
local tonumber, find, type = tonumber, string.find, type
local abs, floor, format, sub = math.abs, math.floor, string.format, string.sub
local min, rep, struct, unpack = math.min, string.rep, struct, unpack
local mode, args = ARGV[1], cmsgpack.unpack(ARGV[2])
local count = #args
local HUGE = 1e290  -- a sum with less cannot leave a number's range
local DECAYED = 'rivulet|decayed'

-- Arguments behind the key's number.
local width = {once = 2, onceid = 2, always = 0, admit = 2, zadd = 2, zaddbig = 2, hincr = 2, hadd = 2, hmin = 2,
  hmax = 2, hset = 2, hnums = 3, moments = 7, zset = 2, zwithin = 3, zdecay = 5, zrem = 1, padd = 1,
  incr = 1, set = 1, del = 0, expire = 1, hdel = 1, get = 0, hget = 1, hall = 0, hsize = 0,
  zscore = 1, ztop = 1, zsize = 0, pcount = 0, reqtext = 1, reqabsent = 0, reqhash = 2,
  hhas = 1, hholds = 2}
local kind_of = {once = 'string', onceid = 'hash', admit = 'zset', zadd = 'zset',
  zaddbig = 'zset', hincr = 'hash',
  hadd = 'hash', hmin = 'hash', hmax = 'hash', hset = 'hash', hnums = 'hash', moments = 'hash', zset = 'zset',
  zwithin = 'zset', zdecay = 'zset', zrem = 'zset', padd = 'string', incr = 'string',
  hdel = 'hash', get = 'string', hget = 'hash', hall = 'hash', hsize = 'hash', zscore = 'zset',
  ztop = 'zset', zsize = 'zset', pcount = 'string', hhas = 'hash', hholds = 'hash'}
-- What a command that changes something may need of the user's rights, which are asked before
-- anything is written: one that a command lacks behind its first change would leave half of it.
local HASH, WITHIN = {'HSET'}, {'ZADD', 'ZINCRBY', 'ZCARD', 'ZRANGE', 'ZREMRANGEBYRANK'}
local changes = {once = {'SETBIT', 'PEXPIRE'}, onceid = {'HSETNX', 'PEXPIRE'},
  admit = {'ZADD', 'ZCARD'}, zadd = {'ZINCRBY'}, zaddbig = {'ZINCRBY'}, hincr = {'HINCRBY', 'HGET'},
  hadd = HASH, hmin = HASH, hmax = HASH, hset = HASH, hnums = HASH, moments = HASH,
  zset = {'ZADD'}, zwithin = WITHIN,
  zdecay = {'ZINCRBY', 'EXISTS', 'HSET', 'PTTL', 'ZUNIONSTORE', 'PEXPIRE'}, zrem = {'ZREM', 'EXISTS'},
  padd = {'PFADD'}, incr = {'INCRBY', 'GET'}, set = {'SET'}, del = {'DEL'},
  expire = {'PEXPIRE', 'PERSIST', 'EXISTS'}, hdel = {'HDEL'}}
-- The words behind the key are there for commands that need them; those of some are keys, too.
local function may(command, k)
  if command == 'DEL' or command == 'EXISTS' then return redis.acl_check_cmd(command, k) end
  return redis.acl_check_cmd(command, k, '1', k)
end

-- Are commands run where one may be refused, and is that caught? Where it is not, sure() was wrong,
-- and the error has `err`: Redis 7.0 crashes where a script ends in a table without. Its pcall()
-- keeps of a table with nothing else, so that one that is caught has none.
local careful = false
local function refuse(what, value)
  error({refused = what, value = sub(value or '', 1, 100),
    err = not careful and 'ERR refused: ' .. what or nil})
end
local function text_of(x) return format('%.17g', x) end
local function finite(x) return x - x == 0 end
local function packed(x) return struct.pack('<' .. rep('d', #x), unpack(x)) end
local function number_of(text)
  if not find(text, '^[-+]?%.?%d[%d.eE+-]*$') then return nil end
  local x = tonumber(text)
  if x and finite(x) then return x end
end
local function whole(text)
  return #text <= 15 and (text == '0' or find(text, '^%-?[1-9]%d*$'))
end
local function need_kind(k, kind)
  local t = call('TYPE', k).ok
  if t ~= 'none' and t ~= kind then refuse('kind', t .. ' ' .. kind) end
end

local function require_all()
  local i, n = 1, 0
  while i <= count do
    local op, k = args[i], KEYS[args[i + 1]]
    n = n + 1
    if op == 'reqtext' or op == 'reqhash' then
      local t = call('TYPE', k).ok
      local kind = op == 'reqtext' and 'string' or 'hash'
      if t ~= 'none' and t ~= kind then return n, 'kind', t .. ' ' .. kind end
      local v, wanted
      if op == 'reqtext' then
        v, wanted = call('GET', k), args[i + 2]
      else
        v, wanted = call('HGET', k, args[i + 2]), args[i + 3]
      end
      if v ~= wanted then return n, 'conflict', v and sub(v, 1, 100) or '' end
    elseif op == 'reqabsent' and call('EXISTS', k) == 1 then
      return n, 'present', ''
    end
    i = i + 2 + width[op]
  end
end

-- What is counted on again and again in a batch is read once and written once, where nothing can be
-- refused any more: by key, `of` the command alone that may go on before it is written.
--   once     words of 32 ids, by their number, and which of them have `changed`; the ttl
--   moments  what is held, {n, mean, m2, m3, m4, min, max}
--   hnums    fields, each an array of numbers, and which of them have `changed`
local waiting = {}

local function fill_words(k, words)
  local numbers, at = {}, 1
  for w in pairs(words) do numbers[#numbers + 1] = w end
  while at <= #numbers do
    local asked, last = {}, min(at + 999, #numbers)
    for j = at, last do
      local n = #asked
      asked[n + 1], asked[n + 2], asked[n + 3] = 'GET', 'u32', format('%d', numbers[j] * 32)
    end
    local held = try('BITFIELD', k, unpack(asked))
    if held.err then return nil end
    for j = at, last do words[numbers[j]] = held[j - at + 1] end
    at = last + 1
  end
  return {of = 'once', words = words, changed = {}}
end

-- Nothing where they are none.
local function numbers_of(text)
  local n = #text / 8
  if n % 1 ~= 0 or n > 4096 then return nil end
  if n == 0 then return {} end
  local x = {struct.unpack('<' .. rep('d', n), text)}
  x[n + 1] = nil  -- where it ends
  for j = 1, n do
    if not finite(x[j]) then return nil end
  end
  return x
end

-- Of moments n, mean, m2, m3, m4, min, max: below these no merge leaves a number's range.
local TAME = {4e15, 1e60, 1e130, 1e200, 1e270, 1e60, 1e60}
local function tame(j, x) return abs(x) <= TAME[j] end

-- True where no command can be refused, whatever Once(), Admit() and the like answer.
local function sure()
  local kind, replaced, texts, logs, counted, ids = {}, {}, {}, {}, {}, {}
  local fields, rights, cut, total, i = {}, {}, {}, 0, 1
  while i <= count do
    local op, k = args[i], KEYS[args[i + 1]]
    local need = kind_of[op]
    local change = changes[op]
    if change and redis.acl_check_cmd and (not rights[change] or mode == 'p' and not kind[k]) then
      rights[change] = true
      for _, command in ipairs(change) do
        if not may(command, k) then
          if mode == 'p' then return false end
          error({err = 'NOPERM this user has no permissions to run ' .. command})
        end
      end
    end
    if change and k == DECAYED then return false end
    if need then
      local t = kind[k]
      if not t then
        if replaced[k] then return false end
        t = call('TYPE', k).ok
        if t == 'none' then t = need end
        kind[k] = t
      end
      if t ~= need or replaced[k] then return false end
      if op == 'once' then
        local words = ids[k]
        if not words then
          words = {}
          ids[k] = words
        end
        words[floor(args[i + 2] / 32)] = 0
      elseif op == 'zaddbig' then return false
      elseif op == 'zwithin' or op == 'zdecay' then
        if abs(tonumber(args[i + 3])) > 1e270 then return false end
        if op == 'zdecay' then
          local d = KEYS[args[i + 6]]
          if replaced[d] or texts[d] or call('TYPE', d).ok == 'string' then return false end
          if kind[d] and kind[d] ~= 'hash' then return false end
          local t_d = call('TYPE', d).ok
          if t_d ~= 'none' and t_d ~= 'hash' then return false end
          kind[d] = 'hash'
          local kept = call('HGET', d, k)
          local _, _, a, b = find(kept or '0 1', '^(%S+) (%S+)$')
          if not a or not number_of(a) or (number_of(b) or 0) <= 0 then return false end
        end
      elseif op == 'hincr' or op == 'hadd' or op == 'hmin' or op == 'hmax' then
        local marks = fields[k]
        if not marks then
          marks = {}
          fields[k] = marks
        end
        local field, by = args[i + 2], abs(tonumber(args[i + 3]))
        local mark = marks[field]
        if mark == 'v' or waiting[k] and waiting[k].of == 'moments' then return false end
        if not mark then
          if texts[k] then return false end
          local v = call('HGET', k, field)
          if v then
            if op == 'hincr' then
              if not whole(v) then return false end
            else
              local x = number_of(v)
              if not x or abs(x) > HUGE then return false end
            end
          end
        end
        if op == 'hincr' then
          total = total + by
          if mark == 'n' or total > 4e15 then return false end
          marks[field] = 'i'
        else
          if by > HUGE then return false end
          marks[field] = 'n'
        end
      elseif op == 'hnums' then
        local marks, w, field = fields[k], waiting[k], args[i + 2]
        if texts[k] or args[i + 3] > HUGE or w and w.of ~= op then return false end
        if not marks then
          marks = {}
          fields[k] = marks
        end
        if not w then
          w = {of = op, fields = {}, changed = {}}
          waiting[k] = w
        end
        local mark = marks[field]
        if mark and mark ~= 'v' then return false end
        if not mark then
          local v = call('HGET', k, field)
          local x = v and numbers_of(v) or not v and {}
          if not x then return false end
          for j = 1, #x do
            if abs(x[j]) > HUGE then return false end
          end
          marks[field], w.fields[field] = 'v', x
        end
      elseif op == 'hset' then
        texts[k] = true
        if fields[k] or waiting[k] then return false end
      elseif op == 'moments' then
        if texts[k] or fields[k] or cut[k] then return false end
        if not waiting[k] then
          local h = call('HMGET', k, 'n', 'mean', 'm2', 'm3', 'm4', 'min', 'max')
          local n = h[1]
          for j = 1, 7 do
            if h[j] and not tonumber(h[j]) or not h[j] ~= not n then return false end
            h[j] = h[j] and tonumber(h[j])
            if h[j] and not tame(j, h[j]) then return false end
          end
          if n and (not whole(n) or h[1] < 0) then return false end
          waiting[k] = {of = op, held = n and h[1] > 0 and h or nil}
        end
        for j = 2, 7 do
          if not tame(j, args[i + 1 + j]) then return false end
        end
        total = total + tonumber(args[i + 2])
        if total > 4e15 then return false end
      elseif op == 'hdel' then
        cut[k] = true
        if waiting[k] and waiting[k].of == 'moments' then return false end
      elseif op == 'incr' then
        if logs[k] then return false end
        total = total + abs(tonumber(args[i + 2]))
        if total > 4e15 then return false end
        if not counted[k] then
          counted[k] = true
          local v = call('GET', k)
          if v and not whole(v) then return false end
        end
      elseif op == 'padd' or op == 'pcount' then
        if counted[k] then return false end
        if not logs[k] then
          logs[k] = true
          if type(try('PFCOUNT', k)) == 'table' then return false end
        end
      end
    elseif op == 'set' or op == 'del' or (op == 'expire' and tonumber(args[i + 2]) < 0) then
      replaced[k] = true
    end
    i = i + 2 + width[op]
  end
  for k, words in pairs(ids) do waiting[k] = fill_words(k, words) end
  return true
end

local skip, renewed = false, {}
-- Keys at which a sorted set may have gone: what is kept of its decay goes at the end. And those at
-- which a decayed one was seen.
local gone, seen = {}, {}

local function number_at(k, field)
  local v = call('HGET', k, field)
  if not v then return nil end
  return number_of(v) or refuse('number', v)
end
local function keep(k, field, x)
  if not finite(x) then refuse('range', '') end
  local text = text_of(x)
  call('HSET', k, field, text)
  return text
end
local function check_sum(k, member, by)
  if not careful or abs(by) <= HUGE then return end
  local score = call('ZSCORE', k, member)
  if score and not finite(score + by) then refuse('range', '') end
end

local function write(k)
  local w = waiting[k]
  waiting[k] = nil
  if w.of == 'moments' then
    local m = w.changed and w.held
    if not m then return end
    call('HSET', k, 'n', format('%.0f', m[1]), 'mean', text_of(m[2]), 'm2', text_of(m[3]),
      'm3', text_of(m[4]), 'm4', text_of(m[5]), 'min', text_of(m[6]), 'max', text_of(m[7]))
  elseif w.of == 'hnums' then
    for field in pairs(w.changed) do call('HSET', k, field, packed(w.fields[field])) end
  else
    local set = {}
    for n in pairs(w.changed) do
      local j = #set
      set[j + 1], set[j + 2], set[j + 3], set[j + 4] = 'SET', 'u32', format('%d', n * 32),
        format('%.0f', w.words[n])
      if j >= 4000 then
        call('BITFIELD', k, unpack(set))
        set = {}
      end
    end
    if set[1] then call('BITFIELD', k, unpack(set)) end
    if w.ttl then call('PEXPIRE', k, w.ttl) end
  end
end

local function first_time(w, n, ttl)
  w.ttl = ttl
  local word, bit = floor(n / 32), 2 ^ (31 - n % 32)
  local held = w.words[word]
  if held % (2 * bit) >= bit then return false end
  w.words[word], w.changed[word] = held + bit, true
  return true
end

local function add_numbers(k, i)
  local field, b, w = args[i], numbers_of(args[i + 2]), waiting[k]
  if #b == 0 then return 1 end
  if not w and not careful then
    w = {of = 'hnums', fields = {}, changed = {}}
    waiting[k] = w
  end
  local a = w and w.fields[field]
  if not a then
    local v = call('HGET', k, field)
    a = v and (numbers_of(v) or refuse('numbers', '')) or {}
  end
  local held = #a
  for j = 1, #b do
    a[j] = j <= held and a[j] + b[j] or b[j]
    if careful and not finite(a[j]) then refuse('range', '') end
  end
  if careful then
    call('HSET', k, field, packed(a))
  else
    w.fields[field], w.changed[field] = a, true
  end
  return 1
end

-- Nothing where there are none; with the count's text, for it may be more than a number holds.
local function read_moments(k)
  local h = call('HMGET', k, 'n', 'mean', 'm2', 'm3', 'm4', 'min', 'max')
  if h[1] and not find(h[1], '^%d+$') then refuse('moments', h[1]) end
  local m = {tonumber(h[1] or 0)}
  if m[1] == 0 then return nil end
  for j = 2, 7 do
    m[j] = h[j] and tonumber(h[j]) or refuse('moments', h[j] or '')
  end
  return m, h[1]
end

local function merge(m, b)
  local na, nb, n, d = m[1], b[1], m[1] + b[1], b[2] - m[2]
  local d2 = d * d
  m[5] = m[5] + (b[5] + d2 * d2 * na * nb * (na * na - na * nb + nb * nb) / (n * n * n) +
    6 * d2 * (na * na * b[3] + nb * nb * m[3]) / (n * n) + 4 * d * (na * b[4] - nb * m[4]) / n)
  m[4] = m[4] + (b[4] + d2 * d * na * nb * (na - nb) / (n * n) + 3 * d * (na * b[3] - nb * m[3]) / n)
  m[3] = m[3] + (b[3] + d2 * na * nb / n)
  m[1], m[2] = n, m[2] + d * nb / n
  if b[6] < m[6] then m[6] = b[6] end
  if b[7] > m[7] then m[7] = b[7] end
end

local function moments(k, i)
  local b = {}
  for j = 1, 7 do b[j] = tonumber(args[i + j - 1]) end
  if b[1] == 0 then return 1 end
  if not careful then
    local w = waiting[k]
    if not w then
      w = {of = 'moments', held = read_moments(k)}
      waiting[k] = w
    end
    if w.held then merge(w.held, b) else w.held = b end
    w.changed = true
    return 1
  end
  local m, count_of = read_moments(k)
  if m then merge(m, b) else m = b end
  for j = 2, 7 do
    if not finite(m[j]) then refuse('range', '') end
  end
  if not count_of then call('HDEL', k, 'n') end
  if type(try('HINCRBY', k, 'n', args[i])) == 'table' then refuse('overflow', count_of) end
  call('HSET', k, 'mean', text_of(m[2]), 'm2', text_of(m[3]), 'm3', text_of(m[4]),
    'm4', text_of(m[5]), 'min', text_of(m[6]), 'max', text_of(m[7]))
  return 1
end

local function within(k, i)
  local member, by, room = args[i], args[i + 1], tonumber(args[i + 2])
  check_sum(k, member, tonumber(by))
  local sum = call('ZADD', k, 'XX', 'INCR', by, member)
  if sum then return sum end
  local over = call('ZCARD', k) - room
  if over < 0 then return call('ZINCRBY', k, by, member) end
  local least = call('ZRANGE', k, over, over, 'WITHSCORES')
  local score = tonumber(least[2]) + tonumber(by)
  if not finite(score) then refuse('range', '') end
  call('ZREMRANGEBYRANK', k, 0, over)
  call('ZADD', k, text_of(score), member)
  return text_of(score)
end

local function decayed(k, i)
  local member, by, at, half = args[i], tonumber(args[i + 1]), tonumber(args[i + 2]),
    tonumber(args[i + 3])
  local d = KEYS[args[i + 4]]
  if careful then need_kind(d, 'hash') end
  local there = not gone[k] and (seen[k] or call('EXISTS', k) == 1)
  local kept = there and call('HGET', d, k)
  local landmark = at
  if kept then
    local _, _, a, b = find(kept, '^(%S+) (%S+)$')
    landmark, half = a and number_of(a), b and number_of(b)
    if not landmark or not half or half <= 0 then refuse('decay', kept) end
  end
  local moves = (at - landmark) / half > 30
  local factor = 2 ^ ((landmark - at) / half)
  local weight = moves and by or by * 2 ^ ((at - landmark) / half)
  if not finite(weight) then refuse('range', '') end
  check_sum(k, member, weight)
  if moves then
    local left = call('PTTL', k)
    call('ZUNIONSTORE', k, 1, k, 'WEIGHTS', text_of(factor))
    if left > 0 then call('PEXPIRE', k, left) end
    landmark = at
  end
  if moves or not kept then
    call('HSET', d, k, text_of(landmark) .. ' ' .. text_of(half))
    gone[k] = nil
  end
  seen[k] = true
  return call('ZINCRBY', k, text_of(weight), member)
end

local function counted(reply, k, field)
  local failed = type(reply) == 'table'
  -- A number of Lua's keeps 53 bits of a sum; its text keeps all.
  if not failed and abs(reply) < 9e15 then return reply end
  local v = field and call('HGET', k, field) or not field and call('GET', k) or ''
  if not failed then return v end
  refuse(find(reply.err, 'overflow') and 'overflow' or 'whole', v)
end

local function top(k, most)
  if most == 0 then return {} end
  return call('ZREVRANGE', k, 0, most < 0 and -1 or most - 1, 'WITHSCORES')
end

local function log(reply)
  if type(reply) == 'table' then refuse('log', '') end
  return reply
end

local function act(op, k, i)
  if op == 'once' or op == 'onceid' then
    local first
    if waiting[k] then
      first = first_time(waiting[k], args[i], args[i + 1])
      skip = not first
      return first and 1 or 0
    elseif op == 'once' then
      first = call('SETBIT', k, args[i], 1) == 0
    else
      first = call('HSETNX', k, args[i], 1) == 1
    end
    if not renewed[k] then
      renewed[k] = true
      call('PEXPIRE', k, args[i + 1])
    end
    skip = not first
    return first and 1 or 0
  elseif op == 'zadd' then
    return call('ZINCRBY', k, args[i + 1], args[i])
  elseif op == 'hincr' then
    return counted(try('HINCRBY', k, args[i], args[i + 1]), k, args[i])
  elseif op == 'admit' then
    if call('ZADD', k, 'XX', 'INCR', 1, args[i]) then return 1 end
    if call('ZCARD', k) < tonumber(args[i + 1]) then
      call('ZADD', k, 1, args[i])
      return 1
    end
    skip = true
    return 0
  elseif op == 'hhas' then
    skip = call('HEXISTS', k, args[i]) == 0
    return skip and 0 or 1
  elseif op == 'hholds' then
    skip = call('HGET', k, args[i]) ~= args[i + 1]
    return skip and 0 or 1
  elseif op == 'moments' then return moments(k, i)
  elseif op == 'hadd' then
    return keep(k, args[i], (number_at(k, args[i]) or 0) + tonumber(args[i + 1]))
  elseif op == 'hmin' or op == 'hmax' then
    local x, held = tonumber(args[i + 1]), number_at(k, args[i])
    if held and (op == 'hmin' and held <= x or op == 'hmax' and held >= x) then
      return text_of(held)
    end
    return keep(k, args[i], x)
  elseif op == 'hnums' then return add_numbers(k, i)
  elseif op == 'zaddbig' then
    check_sum(k, args[i], tonumber(args[i + 1]))
    return call('ZINCRBY', k, args[i + 1], args[i])
  elseif op == 'zwithin' then return within(k, i)
  elseif op == 'zdecay' then return decayed(k, i)
  elseif op == 'padd' then return log(try('PFADD', k, args[i]))
  elseif op == 'pcount' then return log(try('PFCOUNT', k))
  elseif op == 'hset' then call('HSET', k, args[i], args[i + 1]) return 1
  elseif op == 'zset' then call('ZADD', k, args[i + 1], args[i]) return 1
  elseif op == 'incr' then return counted(try('INCRBY', k, args[i]), k)
  elseif op == 'set' then
    call('SET', k, args[i])
    gone[k] = true
    return 1
  elseif op == 'del' then
    gone[k] = true
    return call('DEL', k)
  elseif op == 'hdel' then return call('HDEL', k, args[i])
  elseif op == 'zrem' then
    local removed = call('ZREM', k, args[i])
    if removed == 1 and call('EXISTS', k) == 0 then gone[k] = true end
    return removed
  elseif op == 'expire' then
    if tonumber(args[i]) < 0 then gone[k] = true end
    if args[i] ~= '0' then return call('PEXPIRE', k, args[i]) end
    call('PERSIST', k)
    return call('EXISTS', k)
  elseif op == 'get' then return call('GET', k)
  elseif op == 'hget' then return call('HGET', k, args[i])
  elseif op == 'hall' then return call('HGETALL', k)
  elseif op == 'hsize' then return call('HLEN', k)
  elseif op == 'zscore' then return call('ZSCORE', k, args[i])
  elseif op == 'ztop' then return top(k, tonumber(args[i]))
  elseif op == 'zsize' then return call('ZCARD', k)
  elseif op == 'always' then skip = false
  end
  return 1
end

-- By a call that may fail: who has no rights to the key has no decayed sets, either.
local function forget_decays()
  if not next(gone) or try('EXISTS', DECAYED) ~= 1 then return end
  for k in pairs(gone) do try('HDEL', DECAYED, k) end
end

local SKIPPED = {ok = 'skipped'}
local out, n = {}, 0

local function run(before)
  local i = 1
  while i <= count do
    local op = args[i]
    n = n + 1
    if skip and op ~= 'once' and op ~= 'onceid' and op ~= 'always' then
      out[n] = SKIPPED
    else
      local k = KEYS[args[i + 1]]
      if before then before(op, k, i + 2) end
      local w = waiting[k]
      if w and w.of ~= op then write(k) end
      out[n] = act(op, k, i + 2)
    end
    i = i + 2 + width[op]
  end
  for k in pairs(waiting) do write(k) end
end

if mode == 'p' then
  -- It may raise an error for one command that is of no matter to others.
  local told, certain = pcall(sure)
  if told and certain then
    run()
    return {'done', out}
  end
  careful, waiting = true, {}
  local i = 1
  while i <= count do
    local op, k = args[i], KEYS[args[i + 1]]
    n = n + 1
    local done, answer = pcall(function()
      if kind_of[op] then need_kind(k, kind_of[op]) end
      return act(op, k, i + 2)
    end)
    if not done then
      if type(answer) == 'table' and answer.refused then
        answer = {answer.refused, answer.value}
      elseif n == 1 then
        error(answer)  -- nothing was done: it may be tried again
      else
        answer = {type(answer) == 'table' and answer.err or tostring(answer), ''}
      end
    end
    out[n] = answer
    i = i + 2 + width[op]
  end
  return {'done', out}
end

local at, what, value = require_all()
if at then return {'refused', at, what, value} end
if sure() then
  run()
  forget_decays()
  return {'done', out}
end

careful, waiting = true, {}
local copies, copied = {}, {}
local function copy(k)
  if copied[k] then return end
  copied[k] = true
  local name = 'rivulet|undo|' .. #copies
  copies[#copies + 1] = {k, name, call('COPY', k, name, 'REPLACE') == 1}
end
local done, problem = pcall(run, function(op, k, i)
  if kind_of[op] then need_kind(k, kind_of[op]) end
  if changes[op] then copy(k) end
  if op == 'zdecay' then copy(KEYS[args[i + 4]]) end
end)
for _, c in ipairs(copies) do
  if done then
    call('DEL', c[2])
  elseif c[3] then
    call('RENAME', c[2], c[1])
  else
    call('DEL', c[1])
  end
end
if done then
  forget_decays()
  return {'done', out}
end
if type(problem) == 'table' and problem.refused then
  return {'refused', n, problem.refused, problem.value}
end
error(problem)
)lua";

std::string_view RedisScriptSha() {
  static const std::string sha = [] {
    std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
    SHA1(reinterpret_cast<const unsigned char*>(kRedisScript.data()), kRedisScript.size(),
         digest.data());
    std::string hex;
    for (const unsigned char byte : digest) {
      hex += "0123456789abcdef"[byte >> 4];
      hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
  }();
  return sha;
}

}  // namespace rivulet
