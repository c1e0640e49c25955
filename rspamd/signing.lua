-- With which keys a message is signed: those that keys.map has for the domain of its author.
--
-- keys.map is policy's (policy/dkim/): DOMAIN SELECTOR:FILE SELECTOR:FILE ..., one signature for each. rspamd reads it again
-- when it changes. A domain is ours when it is in there, and by no other sign; nothing is tried with a parent domain. A file
-- has the name DOMAIN.SELECTOR.key, and the signature is of that domain: a domain in Unicode is signed for in A-labels.
local folder = assert(os.getenv("RSPAMD_KEYS"), "RSPAMD_KEYS is not set")
local keys = rspamd_config:add_map({
  type = "map",
  url = folder .. "/keys.map",
  description = "DKIM keys by domain",
})

-- One domain of all authors, or nil: a signature for one of two says nothing of the other.
local function author_domain(task)
  local domain
  for _, author in ipairs(task:get_from("mime") or {}) do
    local one = (author.domain or ""):lower()
    if one == "" or (domain and domain ~= one) then
      return nil
    end
    domain = one
  end
  return domain
end

return function(task)
  local domain = author_domain(task)
  local listed = domain and keys and keys:get_key(domain)
  if not listed then
    return false
  end
  local signing = {}
  for selector, file in listed:gmatch("([%w-]+):([%w._-]+)") do
    local owner = file:sub(1, -#selector - 6)
    if file == owner .. "." .. selector .. ".key" then
      table.insert(signing, { domain = owner, selector = selector, key = folder .. "/" .. file })
    end
  end
  return #signing > 0 and signing
end
