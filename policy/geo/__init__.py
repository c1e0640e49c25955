"""Where an address is: country, autonomous system, and what kind of network that is.

    atlas.py       an address in, its Origin out: what policy asks
    database.py    one MMDB file: opened, looked at again when it changes, its age
    shapes.py      where the records of the known databases have country and ASN
    kinds.py       hosting networks, mobile carriers, pools of one provider: asns.csv, pools.toml and the policy's own
    opened.py      the atlas of an installation, and the task that looks at its files now and then
    country.mmdb.xz, asn.mmdb.xz   the databases of the first day; docs/gates.md says of what, how good and how old
    make_shipped.py, make_asns.py  make those two and asns.csv anew

What a gate does with an origin is policy/engine/country_gate.py.
"""
