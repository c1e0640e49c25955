-- What rspamd loads at its start: Debian's rules, and the one of ours.
dofile(rspamd_paths["RULESDIR"] .. "/rspamd.lua")
-- Who hands in mail has no name of a server: to look it up, where nobody answers, would cost every message 0.1 s.
rspamd_config:add_condition("RDNS_CHECK", function() return false end)
sallyport_signing = dofile(assert(os.getenv("RSPAMD_HERE"), "RSPAMD_HERE is not set") .. "/signing.lua")
