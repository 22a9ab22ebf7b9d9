"""Reading /metrics as Prometheus would, and stricter: a page that breaks a rule of the text format fails the test."""

import re
import subprocess

from prometheus_client.parser import text_string_to_metric_families

from lib.wait import PATIENCE, wait_until

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COMMENT = re.compile(r"# (HELP|TYPE) (\S+) (.*)")


def check_format(text):
    """One HELP and one TYPE a family, before its samples; samples of a family together; no sample twice; histograms that add up."""
    seen, family, samples = set(), None, set()
    for line in text.splitlines():
        comment = COMMENT.fullmatch(line)
        if comment:
            kind, name, _ = comment.groups()
            assert (kind, name) not in seen, f"{kind} of {name} a second time"
            assert kind == "HELP" or family == name, f"TYPE of {name} without its HELP before"
            seen.add((kind, name))
            family = name
            continue
        assert not line.startswith("#"), line
        series = line.rsplit(" ", 1)[0]
        name = series.split("{", 1)[0]
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        assert family in (name, base), f"{name} below {family}"
        assert series not in samples, f"{series} a second time"
        samples.add(series)


class Page:
    """What one scrape showed: value(name, **labels), sum(name, **labels), labels(name)."""

    def __init__(self, text):
        check_format(text)
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]
        for family in self.families.values():
            if family.type == "histogram":
                self._check_histogram(family)

    @staticmethod
    def _check_histogram(family):
        buckets, counts = {}, {}
        for sample in family.samples:
            key = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            if sample.name.endswith("_bucket"):
                buckets.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
            elif sample.name.endswith("_count"):
                counts[key] = sample.value
        assert buckets.keys() == counts.keys(), family.name
        for key, of in buckets.items():
            assert of == sorted(of) and sorted(v for _, v in of) == [v for _, v in of], (family.name, of)
            assert of[-1] == (float("inf"), counts[key]), (family.name, of, counts[key])

    def find(self, name, **labels):
        return [s for s in self.samples if s.name == name and labels.items() <= s.labels.items()]

    def sum(self, name, **labels):
        return sum(sample.value for sample in self.find(name, **labels))

    def value(self, name, **labels):
        found = self.find(name, **labels)
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0].value

    def type(self, name):
        # The parser takes "_total" off a counter's name.
        return self.families[name if name in self.families else name.removesuffix("_total")].type

    def counters(self):
        """Everything that must never go down, by series."""
        found = {}
        for family in self.families.values():
            if family.type in ("counter", "histogram"):
                found |= {(s.name, tuple(sorted(s.labels.items()))): s.value for s in family.samples}
        return found


def assert_never_down(before, after):
    now = after.counters()
    for series, value in before.counters().items():
        assert now.get(series, -1) >= value, f"{series} went from {value} to {now.get(series)}"


def scrape(server, path="/metrics"):
    answer = server.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == CONTENT_TYPE
    return Page(answer.text)


def wait_metric(server, name, condition, path="/metrics", **labels):
    """Scrapes until condition(sum of the samples) holds; returns the page."""
    pages = []

    def holds():
        pages.append(scrape(server, path))
        return condition(pages[-1].sum(name, **labels))

    wait_until(holds, lambda: f"{name}{labels}: {pages[-1].find(name, **labels)}")
    return pages[-1]


def promtool(*arguments, text=None, cwd=None):
    """Runs promtool; its output. It comes with Debian's package prometheus (ci/install-deps test)."""
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True, timeout=PATIENCE, cwd=cwd)
    assert done.returncode == 0, f"promtool {arguments}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
