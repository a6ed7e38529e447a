"""The manifest in contrib/kubernetes: valid for every Kubernetes that the chart names, and with no more rights than the unit."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from test_distribution import ROOT

MANIFEST = ROOT / "contrib" / "kubernetes" / "httpipe.yaml"


def errors_of(documents: list[dict[str, Any]]) -> list[str]:
    """What the schemas of the oldest and the newest version say against them."""
    found = []
    for document in documents:
        for version in ("1.25", kubernetes_validate.latest_version()):
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{document['kind']} {version}: {error.message}")
    return found


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    """What it consists of."""
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def test_it_is_valid(documents: list[dict[str, Any]]) -> None:
    """No field that Kubernetes does not know, and none of a wrong type."""
    assert errors_of(documents) == []
    documents[-1]["spec"]["template"]["spec"]["hostNet"] = True
    assert len(errors_of(documents[-1:])) == 2  # the schemas do see


def test_rights_are_those_of_the_unit(documents: list[dict[str, Any]]) -> None:
    """What tests/live/test_unit_rights.py shows to be enough."""
    unit = (ROOT / "contrib" / "httpipe.service").read_text()
    allowed = re.findall(r"^AmbientCapabilities=(.*)$", unit, re.MULTILINE)[0].split()
    pod = documents[-1]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert [f"CAP_{name}" for name in container["securityContext"]["capabilities"]["add"]] == allowed
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert not pod["hostPID"]


def test_its_pipeline(documents: list[dict[str, Any]], tmp_path: Path) -> None:
    """It is the chart's, and valid in the environment of the container."""
    [text] = [each["data"]["pipeline.toml"] for each in documents if each["kind"] == "ConfigMap"]
    assert text.strip() == (ROOT / "contrib" / "helm" / "httpipe" / "pipeline.toml").read_text().strip()
    (tmp_path / "pipeline.toml").write_text(text)
    variables = documents[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    validate(tmp_path / "pipeline.toml", {each["name"]: each.get("value", "192.0.2.1") for each in variables})


def test_the_pipeline_of_the_image() -> None:
    """It needs no environment."""
    validate(ROOT / "contrib" / "image" / "pipeline.toml", {})


def validate(file: Path, variables: dict[str, str]) -> None:
    """As `httpipe validate` does."""
    command = [Path(sys.executable).with_name("httpipe"), "validate", file]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
