"""The traffic statistics as a test asks for them: JSON read strictly, Prometheus text read by its own client library, requests in numbers."""

import json

from prometheus_client.parser import text_string_to_metric_families

from lib import raw

ZONE = "vhost_traffic_status_zone shared:main:10m; access_log off; keepalive_requests 100000;"


def strict(text):
    """A JSON text as dicts in the order of the text; an object that has a key twice is an error."""

    def pairs(items):
        names = [name for name, _ in items]
        assert len(names) == len(set(names)), f"a key twice among {names[:5]}…"
        return dict(items)

    return json.loads(text, object_pairs_hook=pairs)


def get(sluice, path="/status/format/json", **headers):
    answer = sluice.session.get(sluice.url + path, headers=headers)
    assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return strict(answer.content.decode())


def samples(text):
    """{(name, labels as a sorted tuple): value} of an exposition; each family once, no sample twice."""
    found, families = {}, set()
    for family in text_string_to_metric_families(text):
        assert (family.name, family.type) not in families, f"{family.name} is in two pieces"
        families.add((family.name, family.type))
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found, f"{key} twice"
            found[key] = sample.value
    return found


def value(found, name, **labels):
    return found[(name, tuple(sorted(labels.items())))]


def hit(sluice, path="/", times=1, host="a.test", **headers):
    """Some requests on one connection, pipelined; bytes of headers as they are (latin-1)."""
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", *(f"{name.replace('_', '-')}: {text}" for name, text in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode("latin-1")
    with raw.connect(sluice) as line:
        for start in range(0, times, 100):
            n = min(100, times - start)
            line.send(request * n)
            for _ in range(n):
                line.answer()


def hit_each(sluice, header, values):
    """A request for each value of a header, pipelined."""
    with raw.connect(sluice) as line:
        for start in range(0, len(values), 200):
            part = values[start : start + 200]
            line.send(b"".join(b"GET / HTTP/1.1\r\nHost: a.test\r\n%s: %s\r\n\r\n" % (header, v) for v in part))
            for _ in part:
                line.answer()
