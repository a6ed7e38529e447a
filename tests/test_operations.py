"""What contrib/ gives to those who operate httpipe fits what it reports: rules and dashboard ask for metrics that there are."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "contrib/prometheus/alerts.yml"
DASHBOARD = ROOT / "contrib/grafana/httpipe.json"
OF_THE_SERVER = {"up"}
OF_THE_PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
"""``process_*``, which docs/metrics.md has in one line."""


def metrics() -> set[str]:
    """Names that docs/metrics.md lists; a histogram has the three of its parts."""
    names = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    return names | {f"{name}_{part}" for name in names for part in ("bucket", "count", "sum")} | OF_THE_SERVER | OF_THE_PROCESS


def queries() -> list[str]:
    """Of every panel and variable of the dashboard."""
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert len(asked) > 15
    return asked


def asked_for(expression: str) -> set[str]:
    """The metrics of an expression: what stands before a selector or a range."""
    return set(re.findall(r"\b([a-z][a-z_]*)(?=[{\[])", expression)) | set(re.findall(r"\bhttpipe_\w+", expression))


@pytest.mark.parametrize("source", ["rules", "dashboard"])
def test_metrics_exist(source: str) -> None:
    """No rule and no panel waits for a metric that httpipe does not have."""
    expressions = (
        queries() if source == "dashboard" else re.findall(r"expr: \|?\s*((?:.+\n?)+?) +(?:for|labels):", RULES.read_text())
    )
    assert len(expressions) > 5
    known = metrics()
    for expression in expressions:
        assert asked_for(expression), expression
        assert not asked_for(expression) - known, expression


def test_counters_exist() -> None:
    """Counters of a source are values of a label, so each that is named is looked for where the source says what it counts."""
    text = RULES.read_text() + DASHBOARD.read_text()
    named = {name for names in re.findall(r'counter=~?\\?"([\w|]+)\\?"', text) for name in names.split("|")}
    assert {"ring_full", "shed_requests"} <= named
    page = (ROOT / "docs/capture.md").read_text()
    for name in named:
        assert f"`{name}`" in page, name


def test_rules_fire_when_they_should() -> None:
    """Prometheus' own tests of rules: silent on a host that does well, one alert for each thing that goes wrong."""
    done = subprocess.run(
        ["promtool", "test", "rules", RULES.with_name("alerts_test.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_queries_are_promql(tmp_path: Path) -> None:
    """Grafana's variables stand for values that Prometheus can read."""
    filled = [re.sub(r"\$__(rate_interval|range)", "5m", query) for query in queries()]
    rules = {"groups": [{"name": "panels", "rules": [{"record": f"panel:{n}", "expr": query} for n, query in enumerate(filled)]}]}
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps(rules))  # JSON is YAML
    done = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_do_not_overlap() -> None:
    """Grafana draws them where they say; 24 columns."""
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
