"""What the fuzzers have found interesting, replayed: every promise of the harnesses in fuzz/, without a fuzzer."""

from pathlib import Path

import pytest

from fuzz.targets import TARGETS

CORPUS = Path(__file__).parents[3] / "fuzz" / "corpus"


@pytest.mark.parametrize("target", TARGETS)
def test_corpus(target: str) -> None:
    """Each file reaches something that no other does; what broke a promise once is a row of that module's test, too."""
    files = sorted((CORPUS / target).iterdir())
    assert files
    for file in files:
        TARGETS[target](file.read_bytes())


def test_every_corpus_has_a_harness_and_is_small() -> None:
    """One folder for each target; a few hundred small files, in all below 1 MB."""
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert sum(file.stat().st_size for file in CORPUS.rglob("*")) < 1_000_000
