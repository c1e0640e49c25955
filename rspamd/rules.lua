-- What rspamd loads at its start: Debian's rules, and the one of ours.
dofile(rspamd_paths["RULESDIR"] .. "/rspamd.lua")
sallyport_signing = dofile(assert(os.getenv("RSPAMD_HERE"), "RSPAMD_HERE is not set") .. "/signing.lua")
