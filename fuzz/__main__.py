"""One target under atheris: python -m fuzz TARGET [options and folders of libFuzzer], as `make fuzz` says it."""

import sys

import atheris  # type: ignore[import-untyped]  # in a virtualenv of its own, see Makefile

# The references are instrumented, too: where a regular expression is one opaque step, they lead the fuzzer.
with atheris.instrument_imports(include=["gateway", "policy", "fuzz", "email"]):
    from fuzz.targets import TARGETS

_, name, *options = sys.argv
# When it merges, libFuzzer starts itself anew: the first word, in a shell, with its own options behind it.
program = f"{sys.executable} -m fuzz {name}"
atheris.Setup([program, "-max_len=600", "-timeout=10", *options], TARGETS[name])
atheris.Fuzz()
