"""Two judges that are not ours: the API's own schemas, and checkov. `make kubernetes` brings both."""

import json
import subprocess
from pathlib import Path

import pytest
from rendering import COMPONENTS, KUBERNETES, OVERLAYS, ROOT, of_kind, rendered, text_of, with_component

_BIN = ROOT / "build" / "kubernetes-venv" / "bin"
_API = "1.32"
_NOT_OF_THE_API = ("Certificate", "ServiceMonitor")

needs_linters = pytest.mark.skipif(
    not (_BIN / "checkov").exists(), reason="no linters of manifests: say `make kubernetes`"
)


def _validated(file: Path) -> None:
    command = [_BIN / "kubernetes-validate", "--version", _API, "--strict", "--quiet", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert not done.returncode, done.stdout + done.stderr


@needs_linters
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_knows_every_field(overlay: str, tmp_path: Path) -> None:
    (tmp_path / "rendered.yaml").write_text(text_of(KUBERNETES / "overlays" / overlay))
    _validated(tmp_path / "rendered.yaml")


@needs_linters
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_api_knows_every_field_of_a_component(component: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is the API's own; cert-manager's and Prometheus' kinds have their schemas elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    given = [one for one in with_component(folder, "large", component) if one["kind"] not in _NOT_OF_THE_API]
    assert len(given) >= len(rendered("large"))
    file = folder / "rendered.yaml"
    file.write_text("\n---\n".join(json.dumps(one) for one in given))
    _validated(file)


@needs_linters
def test_checkov_finds_nothing_that_is_not_justified_in_place(tmp_path: Path) -> None:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(text_of(KUBERNETES / "overlays" / overlay))
        assert of_kind(rendered(overlay), "NetworkPolicy")
    command = [
        _BIN / "checkov",
        "-d",
        str(tmp_path),
        "--framework",
        "kubernetes",
        "--compact",
        "--skip-download",
        "-o",
        "json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    said = json.loads(done.stdout)
    assert not [f"{one['check_id']} {one['resource']}" for one in said["results"]["failed_checks"]]
    assert said["summary"]["passed"] > 1000
