"""The shipped dashboards: panels that Grafana can place, queries that Prometheus understands, about series that the server has."""

import json
import re

import pytest
import yaml

from lib.letters import Letters, wait_status
from lib.metrics import promtool, scrape
from lib.server import TOP
from lib.wait import wait_until
from test_limits import OK, statuses

DASHBOARDS = sorted((TOP / "conf/monitoring/grafana/dashboards").glob("*.json"))


def queries(path):
    return [target["expr"] for panel in json.loads(path.read_text())["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_panels_have_places_of_their_own(path):
    board = json.loads(path.read_text())
    taken = set()
    assert board["uid"] and board["title"] and len({p["id"] for p in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        g = panel["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"]) for y in range(g["y"], g["y"] + g["h"])}
        assert cells and not cells & taken and g["x"] + g["w"] <= 24, panel["title"]
        taken |= cells


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.stem)
def test_prometheus_understands_the_queries(path, tmp_path):
    rules = [{"record": f"panel_{i}", "expr": expr} for i, expr in enumerate(queries(path))]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)


def test_rate_limits_are_about_what_there_is(server):
    sluice = server(
        http="limit_policy p { per_ip 3r/h; per_user 100r/h; }",
        server=f"location = /a {{ limit p; {OK} }} location = /metrics {{ metrics; }}",
    )
    statuses(sluice, 5, "/a")
    names = {name for expr in queries(TOP / "conf/monitoring/grafana/dashboards/rate-limits.json") for name in re.findall(r"\b[a-z_]+_(?:total|bucket|requests|up|cells)\b", expr)}
    assert len(names) >= 7, names
    wait_until(lambda: scrape(sluice).find("sluice_limit_cells"), "the janitor has counted the cells")
    page = scrape(sluice)
    assert not [name for name in names if not page.find(name)]


@pytest.fixture
def letters(server):
    made = Letters(server)
    yield made
    made.service.stop()


def test_delivery_is_about_what_there_is(letters):
    sluice = letters.start(http="dlq { rule 400 wait=100ms max=1000; }")
    made = letters.make(sluice, "jobs", 400, 2)
    letters.service.well = True
    wait_status(sluice, made, "resolved")
    names = {name for expr in queries(TOP / "conf/monitoring/grafana/dashboards/delivery.json") for name in re.findall(r"\b(?:sluice|dlq|message)_[a-z_]+\b", expr)}
    assert len(names) >= 10, names
    wait_until(lambda: not [name for name in names if not scrape(sluice).find(name)], lambda: f"all are shown: {[n for n in names if not scrape(sluice).find(n)]}")
