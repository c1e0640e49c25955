"""What the version before has left behind, for tests of an upgrade: see make.py."""
