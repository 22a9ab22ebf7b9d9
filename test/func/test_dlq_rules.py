"""Rules: dead letters that are sent again by themselves, as the configuration says."""

import pytest

from lib.admin import api, ctl
from lib.letters import Letters, one, wait_status
from lib.metrics import scrape
from lib.wait import wait_until


@pytest.fixture
def letters(server):
    made = Letters(server)
    yield made
    made.service.stop()


def rules(sluice):
    return api(sluice, "/api/dlq/rules").json["rules"]


def events(sluice, id):
    return [e["event"] for e in one(sluice, id)["history"]]


@pytest.mark.sanitize
def test_a_rule_sends_again_until_it_is_delivered(letters):
    sluice = letters.start(http='dlq { rule "5(02|03)" wait=100ms max=1000 stream=jobs; }')
    [left] = letters.make(sluice, "jobs", 400, 1)
    [other] = letters.make(sluice, "mail", 503, 1)
    [id] = letters.make(sluice, "jobs", 503, 1)
    wait_until(lambda: one(sluice, id)["reprocess_count"] >= 2, "it was sent again more than once")
    letters.service.well = True
    wait_status(sluice, [id], "resolved")
    m = one(sluice, id)
    assert m["resolved_by"] == "rule:5(02|03)" and m["reason"] == "automatic"
    assert [e for e in m["history"] if e["event"] == "reprocess" and e["operator"] != "rule:5(02|03)"] == []
    # It waited each time, after it came and after it came back.
    assert one(sluice, left)["status"] == one(sluice, other)["status"] == "pending"
    assert events(sluice, left) == ["attempt", "dead"]
    [rule] = rules(sluice)
    assert rule["matched"] >= 1 and rule["reprocessed"] == m["reprocess_count"] and rule["last_run_at"]
    assert scrape(sluice).value("sluice_dlq_rule_reprocessed_total", rule="5(02|03) stream=jobs") == m["reprocess_count"]


def test_so_often_and_no_more_also_over_restarts(letters):
    sluice = letters.start(http='dlq { rule "503" wait=100ms max=2; }')
    [id] = letters.make(sluice, "jobs", 503, 1)
    wait_until(lambda: one(sluice, id)["reprocess_count"] == 2 and one(sluice, id)["status"] == "pending", "it was sent again twice, and is back")
    sluice.kill_all()
    sluice.start()
    # Another one has its two turns, and this one none.
    [later] = letters.make(sluice, "jobs", 503, 1)
    wait_until(lambda: one(sluice, later)["reprocess_count"] == 2 and one(sluice, later)["status"] == "pending", "so was the other one")
    assert one(sluice, id)["reprocess_count"] == 2 and one(sluice, id)["status"] == "pending"
    assert rules(sluice)[0]["reprocessed"] == 4


def test_a_batch_at_a_time(letters):
    """More than a batch waits for its turn, and has it."""
    sluice = letters.start(http='dlq { rule "422" wait=100ms max=1000 batch=3; }')
    made = letters.make(sluice, "jobs", 422, 8)
    letters.service.well = True
    wait_status(sluice, made, "resolved")
    assert all(one(sluice, id)["resolved_by"] == "rule:422" for id in made)


def test_a_changed_rule_takes_effect_on_reload(letters):
    sluice = letters.start(http='dlq { rule nothing wait=100ms; }')
    [id] = letters.make(sluice, "jobs", 400, 1)
    letters.service.well = True
    text = sluice.conf_file.read_text()
    sluice.conf_file.write_text(text.replace("rule nothing", "rule 400"))
    sluice.reload()
    wait_status(sluice, [id], "resolved")
    assert [r["pattern"] for r in rules(sluice)] == ["400"]


def test_shown_by_sluicectl(letters):
    sluice = letters.start(http='dlq { rule "a b" wait=1m max=3 case=ignore; }')
    done = ctl(sluice, "dlq", "rules", "--json")
    assert done.returncode == 0 and '"a b"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    "text, error",
    [
        (r"rule '\d+ timeouts';", r"write [0-9]"),
        ("rule a stream=nowhere;", 'there is no stream "nowhere"'),
        ("rule a type=poison;", "poison is never sent again by a rule"),
        ("rule a; rule a stream=jobs;", "never has its turn"),
        ("rule '((((a{200}){200}){200}){200})';", "bad expression"),
        ("rule a wait=1y;", "wait=100ms to 30d"),
        ("max_messages 0;", "max_messages"),
    ],
)
def test_mistakes_are_named(check_conf, text, error):
    code, said = check_conf(f"http {{ stream jobs {{ sink dir /tmp/x; }} dlq {{ {text} }} server {{ listen 127.0.0.1:1; }} }}")
    assert code == 1 and error in said, said
