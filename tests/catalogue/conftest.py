from pathlib import Path

import pytest

SCENARIO = """\
format: scenario/v1
id: story
title: A story
story: Once
service: checkout
severity: SEV-2
severe_because: it hurts
plausibility:
  - {kind: incident, date: 2024-05-01, ref: INC-1}
namespace: shop
load:
  target: {service: front, port: 8080}
  locustfile: load/shop.py
  rate: 20/s
  ledger: {url: /orders, ids: id}
probes:
  - {id: alive, kind: http, url: /healthz}
steps:
  - id: kill
    fault: {kind: pod-kill, selector: {app: x}, count: 1}
  - id: slow
    experiment: slow-pods
  - id: wait
    hold: 5s
tolerances:
  - {id: answered, measure: availability, at_least: 99.5%}
stop_conditions:
  - {id: gone, measure: probe, probe: alive}
tags: [vendor]
"""
SERVICE = """\
format: service/v1
id: checkout
title: Checkout
team: a
owner: b
tolerances:
  - {id: answered, measure: availability, at_least: 99%}
  - {id: fast, measure: latency, percentile: 95, at_most: 1s}
"""
EXPERIMENT = """\
format: experiment/v1
id: slow-pods
title: Slow
hypothesis: fine
namespace: shop
fault: {kind: pod-kill, selector: {app: y}, count: 1}
probes:
  - {id: ready, kind: pods-ready, selector: {app: y}}
tags: [pods]
"""


class Project:
    """A project folder with one scenario, its service, its experiment and its locustfile."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("scenarios/story.yaml", SCENARIO)
        self.write("scenarios/services/checkout.yaml", SERVICE)
        self.write("experiments/slow-pods.yaml", EXPERIMENT)
        self.write("scenarios/load/shop.py", "import helper\nimport locust\n")
        self.write("scenarios/load/helper.py", "X = 1\n")

    @property
    def story(self) -> Path:
        return self.folder / "scenarios/story.yaml"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def change(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert old in text, old
        path.write_text(text.replace(old, new))


@pytest.fixture
def project(tmp_path, monkeypatch) -> Project:
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)
