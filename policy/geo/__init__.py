"""Where an address is: country, autonomous system, and what kind of network that is.

    atlas.py       an address in, its Origin out: what policy asks
    database.py    one MMDB file: opened, looked at again when it changes, its age
    shapes.py      where the records of the known databases have country and ASN
    kinds.py       hosting networks, mobile carriers, pools of one provider: asns.csv, pools.toml and the policy's own
    shipped.mmdb   the database of the first day; docs/gates.md says what it is made of, how good and how old it is
    make_shipped.py, make_asns.py  make shipped.mmdb and asns.csv anew

What a gate does with an origin is policy/engine/country_gate.py.
"""
