# SPDX-License-Identifier: MIT
"""What packaging/ has for Prometheus and Grafana fits what `socketgate metrics` says."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from socketgate.entry import Outcome
from socketgate.metrics import FAMILIES

PACKAGING = Path(__file__).parents[1] / "packaging"
ALERTS = PACKAGING / "prometheus" / "socketgate.rules.yml"
TRIALS = PACKAGING / "prometheus" / "socketgate.test.yml"
DASHBOARD = PACKAGING / "grafana" / "socketgate.json"
FILES = (ALERTS, TRIALS, DASHBOARD)


def promtool(*words: str) -> None:
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_finds_nothing_wrong_with_the_alerts() -> None:
    promtool("check", "rules", "--lint-fatal", str(ALERTS))


def test_the_alerts_go_off_when_they_should() -> None:
    promtool("test", "rules", str(TRIALS))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_metric_that_is_asked_for_is_there(path: Path) -> None:
    asked = set(re.findall(r"\bsocketgate_[a-z_]+", path.read_text()))
    assert asked
    assert asked <= set(FAMILIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_outcome_that_is_asked_for_is_one(path: Path) -> None:
    asked = re.findall(r'outcome=~?\\?"([a-z|-]+)', path.read_text())
    words = {word for value in asked for word in value.split("|")}
    assert words
    assert words <= {outcome.value for outcome in Outcome}


def test_the_dashboard_is_json_with_a_query_in_every_panel() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert all(panel["targets"] and panel["targets"][0]["expr"] for panel in panels)


def test_the_panels_do_not_overlap() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    """promtool reads them as recording rules; Grafana's variables are put in first."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    values = {"$__rate_interval": "5m", "$__interval": "1m", "$instance": ".*", "$gate": ".*"}
    for name, value in values.items():
        queries = [query.replace(name, value) for query in queries]
    rules = [{"record": f"a:b{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.yml"  # JSON is YAML
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))
