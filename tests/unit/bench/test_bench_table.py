"""The tables of the bench, from samples that were not measured."""

from dataclasses import replace
from typing import Any, Never

import pytest

from bench import table
from bench.figures import Target, Verdict
from bench.load import Latency
from bench.rows import ROWS, Figure, Row
from bench.samples import Measured, Sample


def never(_: Any) -> Never:
    raise AssertionError("nothing is measured here")


FASTER = Figure(
    "messages/s", (Target(1.1, at_least=True, against="direct"), Target(2, at_least=True, against="haraka"))
)
ROW = Row("x", "work", (FASTER,), never)
LATENCY = Latency(count=10, min=0.001, mean=0.002, p50=0.002, p95=0.003, p99=0.004, max=0.005)


def sample(contender: str, number: int, rate: float, *, failed: int = 0) -> Sample:
    return Sample(
        row="x",
        round=number,
        contender=contender,
        measured=Measured(
            figures={"messages/s": rate}, messages=500, latency=LATENCY, failed=failed, error="421 4.3.2 no"
        ),
        cpu_s={"postfix": 1.0, "load": 0.5},
        others_share=0.02,
    )


SAMPLES = [sample("direct", 1, 100), sample("sallyport", 1, 110), sample("direct", 2, 90), sample("sallyport", 2, 130)]


def cells(text: str, label: str) -> list[str]:
    """The cells of the line that begins with `label`."""
    line = next(line for line in text.splitlines() if line.strip().startswith(label))
    return line.split()


def test_row_has_contenders_with_their_numbers() -> None:
    text = table.of_row(ROW, SAMPLES)
    assert text.startswith("x: work\n")
    #                                       median min  max   p50  p95  p99  postfix load  all    others
    assert cells(text, "direct") == ["direct", "95", "90", "100", "2", "3", "4", "2.00", "1.00", "2.00", "2%"]
    assert cells(text, "sallyport")[1:4] == ["120", "110", "130"]


def test_row_leaves_out_who_was_not_measured() -> None:
    text = table.of_row(ROW, SAMPLES)
    assert "haraka" not in text
    assert "policyd" not in text


def test_failed_sessions_are_told_below_the_row() -> None:
    text = table.of_row(ROW, [*SAMPLES, sample("direct", 3, 500, failed=7)])
    assert text.endswith("direct: 7 sessions FAILED, one of them: 421 4.3.2 no")


def test_row_of_ours_alone_has_a_line_for_each_figure() -> None:
    row = replace(ROW, figures=(Figure("messages/s"),), ours_alone=True)
    ours = [one for one in SAMPLES if one.contender == "sallyport"]
    assert cells(table.of_row(row, ours), "messages/s") == ["messages/s", "120", "110", "130"]


def test_targets() -> None:
    outcomes = list(table.outcomes(ROW, FASTER, SAMPLES))
    assert [one.verdict for one in outcomes] == [Verdict.MET, Verdict.NOT_MEASURED]
    text = table.of_targets([ROW], SAMPLES)
    assert "1.26" in text
    assert "met" in text
    assert "not measured" in text


def test_failed_sessions_make_a_ratio_invalid() -> None:
    outcomes = table.outcomes(ROW, FASTER, [*SAMPLES, sample("direct", 3, 1, failed=1), sample("sallyport", 3, 1)])
    assert next(outcomes).verdict is Verdict.INVALID


def test_aligned_leaves_out_empty_columns() -> None:
    lines = [("", "a", "left out", "b"), ("one", "1", "", "333"), ("three", "22", "", "4")]
    assert table.aligned(lines).splitlines() == ["        a    b", "one     1  333", "three  22    4"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (100, "100"), (99.94, "99.9"), (1.236, "1.24"), (0.0123, "0.0123"), (0, "0")],
)
def test_number_has_three_digits(value: float, text: str) -> None:
    assert table.number(value) == text


def test_rows_have_keys_of_their_own() -> None:
    assert len({row.key for row in ROWS}) == len(ROWS)


def test_a_row_of_ours_alone_has_no_ratio() -> None:
    for row in ROWS:
        targets = [target for figure in row.figures for target in figure.targets]
        assert all(bool(target.against) is not row.ours_alone for target in targets), row.key
