-- Budgets in Valkey or Redis: one call is one step, and nothing else runs meanwhile. valkey.py calls it.
--
-- What is kept, for a prefix P:
--   P:state            hash: `number` of reservations so far, `since` when the first one was made
--   P:c:KEY            a counter, a sorted set by moment: "TOTAL COST NUMBER", the running total first and in 16 digits
--   P:s:KEY            a set, sorted by moment: the members, 16 hexadecimal digits each
--   P:b:KEY            hash: which reservation brought a member of that set
--   P:r:RESERVATION    what an open reservation took, as JSON
--
-- What a counter's window holds is its newest total less the total before the window's first charge. Time comes from the
-- caller; the server's own clock only removes keys of which nobody speaks any more. Numbers are exact up to 2^53.
--
-- KEYS: P:state, P:r:RESERVATION, and for each charge asked about its P:c:KEY, or its P:s:KEY and P:b:KEY.
-- ARGV: a verb and its JSON.
--
-- A reserve or a peek is answered with numbers in one text: whether the charges fit; of a reserve its number, whether the
-- server was empty, and how many reservations it has lost; then before each window of each charge, then after each.

local call = redis.call

local CLOCK_STEP_S = 60
local KEPT = 17 / 16 -- of the longest window; see moments.py
local MEMBERS_KEPT = 64
local LIFE_S = 3600
local IDLE_S = 86400 -- a key outlives its longest window by so much: the caller's clock may be set back
local COUNTER = '%016.0f %.0f %.0f'

local function exact(number)
  return string.format('%.17g', number)
end

local function moment(now, newest)
  if newest and newest > now and newest <= now + CLOCK_STEP_S then
    return newest
  end
  return now
end

local function parsed(entry)
  local total, cost, number = string.match(entry, '^(%d+) (%d+) (%d+)$')
  return tonumber(total), tonumber(cost), number
end

-- When the newest and the oldest of its entries were made, and which these are.
local function find_ends(charge, now)
  local newest = call('ZRANGE', charge.name, -1, -1, 'WITHSCORES')
  charge.newest_at = tonumber(newest[2])
  charge.at = moment(now, charge.newest_at)
  if charge.newest_at then
    local oldest = call('ZRANGE', charge.name, 0, 0, 'WITHSCORES')
    charge.oldest_at = tonumber(oldest[2])
    return newest[1], oldest[1]
  end
end

local function look_at_counter(charge, now)
  local newest, first = find_ends(charge, now)
  charge.total = 0
  local before_first = 0
  if newest then
    charge.total = parsed(newest)
    local total, cost = parsed(first)
    before_first = total - cost
  end
  for place, window in ipairs(charge.windows) do
    -- Made exactly so long ago has left the window: any span is half open.
    local edge = charge.at - window[2]
    local held = charge.total - before_first
    if newest and charge.oldest_at <= edge then
      local entry = call('ZRANGEBYSCORE', charge.name, '(' .. exact(edge), '+inf', 'LIMIT', 0, 1)[1]
      held = 0
      if entry then
        local total, cost = parsed(entry)
        held = charge.total - (total - cost)
      end
    end
    charge.before[place], charge.after[place] = held, held + charge.cost
  end
end

local function look_at_set(charge, now)
  find_ends(charge, now)
  charge.seen = {}
  for place, member in ipairs(charge.members) do
    charge.seen[place] = tonumber(call('ZSCORE', charge.name, member) or nil)
  end
  for place, window in ipairs(charge.windows) do
    local edge = charge.at - window[2]
    local held, new = call('ZCOUNT', charge.name, '(' .. exact(edge), '+inf'), 0
    for which in ipairs(charge.members) do
      if not charge.seen[which] or charge.seen[which] <= edge then
        new = new + 1
      end
    end
    charge.before[place], charge.after[place] = held, held + new
  end
end

-- Whether it fits by itself.
local function look(charge, now)
  charge.before, charge.after, charge.longest = {}, {}, 0
  if charge.members then
    look_at_set(charge, now)
  else
    look_at_counter(charge, now)
  end
  local fits = true
  for place, window in ipairs(charge.windows) do
    charge.longest = math.max(charge.longest, window[2])
    fits = fits and (not charge.enforced or charge.after[place] <= window[1])
  end
  return fits
end

local function look_at_all(charges, now)
  local fits = true
  for _, charge in ipairs(charges) do
    fits = look(charge, now) and fits
  end
  return fits
end

local function told(head, charges)
  local words = {}
  local function tell(numbers)
    for _, number in ipairs(numbers) do
      words[#words + 1] = string.format('%.0f', number)
    end
  end
  tell(head)
  for _, charge in ipairs(charges) do
    tell(charge.before)
  end
  for _, charge in ipairs(charges) do
    tell(charge.after)
  end
  return table.concat(words, ' ')
end

-- Where the clock was set back: what it wrote from the future counts as made now. Then what left long ago goes.
local function tidy(charge)
  if charge.newest_at and charge.newest_at > charge.at then
    for _, entry in ipairs(call('ZRANGEBYSCORE', charge.name, '(' .. exact(charge.at), '+inf')) do
      call('ZADD', charge.name, exact(charge.at), entry)
    end
  end
  if not charge.oldest_at or charge.oldest_at > charge.at - charge.longest * KEPT then
    return
  end
  local edge = exact(charge.at - charge.longest)
  for _, entry in ipairs(charge.members and call('ZRANGEBYSCORE', charge.name, '-inf', edge) or {}) do
    call('HDEL', charge.brought, entry)
  end
  call('ZREMRANGEBYSCORE', charge.name, '-inf', edge)
end

local function keep(name, longest)
  call('EXPIRE', name, math.ceil(longest * KEPT) + IDLE_S)
end

local function count(charge, number)
  tidy(charge)
  local entry = string.format(COUNTER, charge.total + charge.cost, charge.cost, number)
  call('ZADD', charge.name, exact(charge.at), entry)
  keep(charge.name, charge.longest)
end

-- The newest stay. Their limits are no larger, so what is not kept decides nothing.
local function evict(charge)
  local kept = MEMBERS_KEPT
  for _, window in ipairs(charge.windows) do
    kept = math.max(kept, window[1])
  end
  local excess = call('ZCARD', charge.name) - kept
  if excess > 0 then
    for _, member in ipairs(call('ZRANGE', charge.name, 0, excess - 1)) do
      call('ZREM', charge.name, member)
      call('HDEL', charge.brought, member)
    end
  end
end

-- A member that the longest window holds already is nobody's to take out any more. `number` is nil for good.
local function see(charge, number)
  tidy(charge)
  local brought = {}
  for place, member in ipairs(charge.members) do
    local seen = charge.seen[place]
    call('ZADD', charge.name, exact(charge.at), member)
    if number and (not seen or seen <= charge.at - charge.longest) then
      call('HSET', charge.brought, member, exact(number))
      brought[#brought + 1] = member
    else
      call('HDEL', charge.brought, member)
    end
  end
  evict(charge)
  keep(charge.name, charge.longest)
  if #brought > 0 then
    keep(charge.brought, charge.longest)
  end
  return brought
end

-- `reservation` is nil for what is taken for good. Text, because JSON would round its numbers.
local function put(charges, number, reservation)
  local counters, sets, at = {}, {}, nil
  for _, charge in ipairs(charges) do
    if not charge.members and charge.cost > 0 then
      count(charge, number)
      at = math.max(at or charge.at, charge.at)
      counters[#counters + 1] = { charge.name, exact(charge.at) }
    end
  end
  -- A reservation that took from no counter is none: nothing will be given back.
  local owner = reservation and at and number or nil
  for _, charge in ipairs(charges) do
    if charge.members and #charge.members > 0 then
      local brought = see(charge, owner)
      if #brought > 0 then
        sets[#sets + 1] = { charge.name, charge.brought, brought }
      end
    end
  end
  if owner then
    local taken = { number = exact(number), at = exact(at), counters = counters, sets = sets }
    call('SET', reservation, cjson.encode(taken), 'EX', LIFE_S + IDLE_S)
  end
end

-- The number of this step. `lost` where the server knows less than the caller has heard from it already.
local function next_number(state, now, heard)
  local is_new = call('HSETNX', state, 'since', exact(now)) == 1
  local number = call('HINCRBY', state, 'number', 1)
  local lost = 0
  if number <= heard then
    lost = heard - number + 1
    number = heard + 1
    call('HSET', state, 'number', exact(number))
  end
  return number, is_new and 1 or 0, lost
end

-- The charges with the names of their keys.
local function named(asked, first)
  local next_key = first
  for _, charges in ipairs({ asked.charges, asked.otherwise }) do
    for _, charge in ipairs(charges) do
      charge.name = KEYS[next_key]
      next_key = next_key + 1
      if charge.members then
        charge.brought = KEYS[next_key]
        next_key = next_key + 1
      end
    end
  end
  return asked
end

local function reserve()
  local asked = named(cjson.decode(ARGV[2]), 3)
  local number, is_new, lost = next_number(KEYS[1], asked.now, asked.heard)
  local fits = look_at_all(asked.charges, asked.now)
  local answer = told({ fits and 1 or 0, number, is_new, lost }, asked.charges)
  if fits then
    put(asked.charges, number, KEYS[2])
  else
    local others = {}
    for _, charge in ipairs(asked.otherwise) do
      if look(charge, asked.now) then
        others[#others + 1] = charge
      end
    end
    put(others, number, nil)
  end
  return answer
end

local function peek()
  local asked = named(cjson.decode(ARGV[2]), 3)
  local fits = look_at_all(asked.charges, asked.now)
  return told({ fits and 1 or 0 }, asked.charges)
end

-- What the reservation took, if it is open; afterwards it is not.
local function ended(asked)
  local found = call('GET', KEYS[2])
  if not found then
    return nil
  end
  call('DEL', KEYS[2])
  local taken = cjson.decode(found)
  if asked.now - tonumber(taken.at) > LIFE_S then
    return nil
  end
  return taken
end

local function commit()
  return ended(cjson.decode(ARGV[2])) and 1 or 0
end

-- All entries from its own on, and the place of its own; few, because an outcome follows its reservation within seconds.
local function entries_from(name, at, number)
  for _, from in ipairs({ at, '-inf' }) do -- it is further back where the clock was set back since
    local entries = call('ZRANGEBYSCORE', name, from, '+inf', 'WITHSCORES')
    for place = 1, #entries, 2 do
      local _, _, its_number = parsed(entries[place])
      if its_number == number then
        return entries, place
      end
    end
  end
end

local function give_back(name, entries, own)
  local _, cost = parsed(entries[own])
  call('ZREM', name, entries[own])
  for place = own + 2, #entries, 2 do
    local total, its_cost, its_number = parsed(entries[place])
    call('ZREM', name, entries[place])
    call('ZADD', name, entries[place + 1], string.format(COUNTER, total - cost, its_cost, its_number))
  end
end

-- Where nothing is left of it on any counter, it has left every window.
local function release()
  local taken = ended(cjson.decode(ARGV[2]))
  local is_left = false
  for _, counter in ipairs(taken and taken.counters or {}) do
    local entries, own = entries_from(counter[1], counter[2], taken.number)
    if entries then
      is_left = true
      give_back(counter[1], entries, own)
    end
  end
  for _, set in ipairs(is_left and taken.sets or {}) do
    for _, member in ipairs(set[3]) do
      if call('HGET', set[2], member) == taken.number then
        call('ZREM', set[1], member)
        call('HDEL', set[2], member)
      end
    end
  end
  return is_left and 1 or 0
end

local verbs = { reserve = reserve, peek = peek, commit = commit, release = release }
return verbs[ARGV[1]]()
