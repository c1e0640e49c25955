"""Coverage-guided fuzzing of everything in the gateway that reads what strangers send.

    make fuzz TARGET=framing SECONDS=60     looks for octets that break what the harness promises
    make keep TARGET=framing                puts what it found on the way into the corpus, minimised

targets.py lists the harnesses; each module begins with what must hold for any octets. references.py has slow readers
that decide the same questions in another way. corpus/ has for every target the octets that together reach all that was
ever reached; tests/unit/gateway/test_fuzz_corpus.py replays them in every test run, without a fuzzer.
"""
