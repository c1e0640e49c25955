"""Two judges that are not ours: the API's own schemas, and checkov. `make kubernetes` brings both."""

import json
import subprocess
from pathlib import Path

import pytest
from rendering import COMPONENTS, KUBERNETES, OVERLAYS, ROOT, of_kind, rendered, text_of, with_component

_BIN = ROOT / "build" / "kubernetes-venv" / "bin"
_APIS = ("1.28", "1.37")  # the oldest that docs/kubernetes.md asks for, and the newest that is known
_NOT_OF_THE_API = ("Certificate", "PrometheusRule", "ServiceMonitor")

needs_linters = pytest.mark.skipif(
    not (_BIN / "checkov").exists(), reason="no linters of manifests: say `make kubernetes`"
)


def _fault(file: Path, api: str, number: int) -> str:
    """What that version of the API has against one of so many manifests; empty where it takes all of them."""
    command = [_BIN / "kubernetes-validate", "--kubernetes-version", api, "--strict", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = (done.stdout + done.stderr).splitlines()
    wrong = [line for line in said if not line.startswith("INFO ")]
    if not done.returncode:  # it looked at each
        assert len(said) - len(wrong) == number, said
    return "\n".join(wrong) if done.returncode else ""


@needs_linters
@pytest.mark.parametrize("api", _APIS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_api_knows_every_field(overlay: str, api: str, tmp_path: Path) -> None:
    file = tmp_path / "rendered.yaml"
    file.write_text(text_of(KUBERNETES / "overlays" / overlay))
    assert not _fault(file, api, len(rendered(overlay)))


@needs_linters
@pytest.mark.parametrize("api", _APIS)
@pytest.mark.parametrize("wrong", ["replica: 3", "$retainKeys: [replicas]", "replicas: three"])
def test_the_api_refuses_what_it_does_not_know(wrong: str, api: str, tmp_path: Path) -> None:
    """A word that is none, a directive to a tool, a value that is no number: what is asked above can be refused."""
    file = tmp_path / "rendered.yaml"
    whole = text_of(KUBERNETES / "overlays" / "large")
    file.write_text(whole.replace("\n  replicas: 3\n", f"\n  {wrong}\n", 1))
    assert file.read_text() != whole
    assert wrong.partition(":")[0] in _fault(file, api, 0)


@needs_linters
@pytest.mark.parametrize("component", COMPONENTS)
def test_the_api_knows_every_field_of_a_component(component: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """On small and on large; cert-manager's and Prometheus' kinds have their schemas elsewhere."""
    folder = tmp_path_factory.mktemp("sites")
    given = []
    for overlay in ("small", "large") if component != "hpa-sessions" else ("large",):  # small has no autoscaler
        (site := folder / overlay).mkdir()
        found = [one for one in with_component(site, overlay, component) if one["kind"] not in _NOT_OF_THE_API]
        assert len(found) >= len(rendered(overlay))
        given += found
    file = folder / "rendered.yaml"
    file.write_text("\n---\n".join(json.dumps(one) for one in given))
    for api in _APIS:
        assert not _fault(file, api, len(given))


@needs_linters
def test_checkov_finds_nothing_that_is_not_justified_in_place(tmp_path: Path) -> None:
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(text_of(KUBERNETES / "overlays" / overlay))
        assert of_kind(rendered(overlay), "NetworkPolicy")
    for component in COMPONENTS:
        (site := tmp_path / "sites" / component).mkdir(parents=True)
        given = with_component(site, "large", component)
        (site / "kustomization.yaml").unlink()
        (tmp_path / f"{component}.yaml").write_text("\n---\n".join(json.dumps(one) for one in given))
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
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    said = json.loads(done.stdout)
    assert not [f"{one['check_id']} {one['resource']}" for one in said["results"]["failed_checks"]]
    assert said["summary"]["passed"] > 1000
