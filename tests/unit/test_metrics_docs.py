"""docs/metrics.md and the services name the same metrics, with kinds and labels; and names are Prometheus' way."""

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from told_metrics import SERVICES, families, told

METRICS = (Path(__file__).parent.parent.parent / "docs" / "metrics.md").read_text()
_ROW = re.compile(r"^\| `(sallyport_[a-z_]+)` \| (counter|gauge|histogram) \|([^|]*)\|", re.MULTILINE)
_OPEN = {  # values that are not ours to list here: words of other pages, versions, numbers of HTTP
    ("sallyport_policy_observed_total", "rule"),
    ("sallyport_policy_geo_database_built_timestamp_seconds", "database"),
    ("sallyport_policy_signals_total", "kind"),
    ("sallyport_policy_signals_total", "step"),
    ("sallyport_console_requests_total", "method"),
    ("sallyport_console_requests_total", "code"),
}


def written_labels(cell: str) -> dict[str, set[str]]:
    """`outcome`: `a`, `b`; `reason`"""
    found = {}
    for part in filter(None, map(str.strip, cell.split(";"))):
        label, _, values = part.partition(":")
        found[label.strip("` ")] = set(re.findall(r"`([^`]+)`", values))
    return found if ":" in cell or ";" in cell else {label: set() for label in re.findall(r"`([^`]+)`", cell)}


@pytest.mark.parametrize("service", SERVICES)
async def test_every_metric_is_documented_and_no_other(service: str) -> None:
    """In both directions: name, kind and labels; and each value of a label where the page lists them."""
    found = families((await told())[service])
    rows = {name: (kind, written_labels(cell)) for name, kind, cell in _ROW.findall(METRICS)}
    rows = {name: row for name, row in rows.items() if name.startswith(f"sallyport_{service}_")}
    assert set(rows) == set(found)
    for name, (kind, labels) in rows.items():
        assert kind == found[name].type, name
        values: dict[str, set[str]] = {}
        for sample in found[name].samples:
            for label, value in sample.labels.items():
                values.setdefault(label, set()).add(value)
        values.pop("le", None)
        assert set(labels) == set(values), name
        for label in labels:
            if labels[label]:
                assert labels[label] == values[label] - {"one"}, (name, label)
            else:
                assert (name, label) in _OPEN or label in {"version", "reason"}, (name, label)


async def test_all_rows_are_of_a_service() -> None:
    names = {name for name, *_ in _ROW.findall(METRICS)}
    assert names == {name for text in (await told()).values() for name in families(text)}
    assert len(names) == len(_ROW.findall(METRICS))


async def test_names_and_units_as_prometheus_wants_them() -> None:
    """Base units alone; a moment is a timestamp; whatever it counts, no name says milliseconds or octets."""
    for text in (await told()).values():
        for name, family in families(text).items():
            assert family.documentation, name
            assert not re.search(r"milli|micro|octets|minutes|_ms|kilo|mega", name), name
            assert name.endswith("_total") == (family.type == "counter"), name
            assert family.type != "histogram" or name.endswith("_seconds"), name
            assert "_at_" not in name, name


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)")
@pytest.mark.parametrize("service", SERVICES)
def test_promtool_finds_nothing_to_say(service: str) -> None:
    text = asyncio.run(told())[service]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
