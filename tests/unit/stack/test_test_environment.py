"""What the integration-test environment has otherwise than the real one, in each way of running it."""

import subprocess
from pathlib import Path

import yaml
from stack_scripts import CHECKOUT

from gateway.settings import Settings
from policy.rulebook import parse


def native_gateway(stack: str, folder: Path) -> str:
    """The gateway's environment as stack/native-inside writes it."""
    functions = (CHECKOUT / "stack" / "native-inside").read_text().removesuffix('main "$@"\n')
    return subprocess.run(
        ["bash", "-c", f"{functions}\nset +u\ngateway_environment"],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin", "SALLYPORT_RUN": str(folder), "SALLYPORT_STACK": stack},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_slow_machine_turns_nobody_away(tmp_path: Path) -> None:
    """A machine of a CI stands still for a second now and then: a test of other software is not to hear 421 of that."""
    overlay = yaml.safe_load((CHECKOUT / "compose.test.yaml").read_text())
    in_containers = float(overlay["services"]["gateway"]["environment"]["GATEWAY_SHED_LAG_S"])
    (said,) = [one for one in native_gateway("test", tmp_path).split() if one.startswith("GATEWAY_SHED_LAG_S=")]
    assert float(said.partition("=")[2]) == in_containers
    assert in_containers >= 10 * Settings.model_fields["shed_lag_s"].default
    kustomization = yaml.safe_load((CHECKOUT / "deploy/kubernetes/overlays/test/kustomization.yaml").read_text())
    (patch,) = [one for one in kustomization["patches"] if one["target"] == {"kind": "Deployment", "name": "gateway"}]
    (added,) = yaml.safe_load(patch["patch"])
    assert added["value"] == {"name": "GATEWAY_SHED_LAG_S", "value": str(int(in_containers))}
    assert "GATEWAY_SHED_LAG_S" not in native_gateway("main", tmp_path)


def test_a_suite_that_met_the_limit_can_run_again_at_once() -> None:
    """It cannot be given back: an identity that is removed and made anew has spent what its name has."""
    rulebook = parse((CHECKOUT / "stack" / "test-policy.toml").read_text(), "test-policy.toml")
    (window,) = rulebook.limits_of("person", "few").recipients
    assert (window.limit, window.seconds) == (2, 60)
    documented = (CHECKOUT / "docs" / "integration-testing.md").read_text()
    assert "an identity called `few`, at its third recipient within a minute" in documented
