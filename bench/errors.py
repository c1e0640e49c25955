"""The one way in which the bench gives up."""


class BenchError(Exception):
    """The bench cannot go on; str(self) is one sentence for the reader."""
