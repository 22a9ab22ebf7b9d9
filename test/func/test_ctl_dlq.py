"""sluicectl on dead letters and deliveries: tables and documents, what is chosen and how, exit statuses."""

import getpass
import json
import os
import pwd
import re

import pytest

from lib.admin import ctl, new_key, run
from lib.letters import Letters, one, stats, wait_status
from lib.wait import wait_until

NOBODY = "0" * 31 + "1"


@pytest.fixture
def letters(server):
    made = Letters(server)
    yield made
    made.service.stop()


def dlq(sluice, *args):
    """Of a command that succeeds, what it prints."""
    done = ctl(sluice, "dlq", *args)
    assert (done.returncode, done.stderr) == (0, ""), (args, done)
    return done.stdout


@pytest.mark.sanitize
def test_looking(letters):
    sluice = letters.start(http='dlq { rule "answers? 503" wait=1h max=2; }')
    jobs = letters.make(sluice, "jobs", 400, 3, '{"a":1}\n\x1b[31m', user="ann")
    mail = letters.make(sluice, "mail", 503, 2)
    table = dlq(sluice, "list")
    assert re.match(r"ID +STREAM +STATUS +TYPE +ATTEMPTS +AGE +SIZE +ERROR\n", table) and len(table.splitlines()) == 6
    assert re.search(rf"^{jobs[0]}  jobs +pending +permanent +1 +[\d.]+m?s +\d+ B +.*400", table, re.M), table
    assert [line.split()[0] for line in dlq(sluice, "list", "--stream=mail", "--status=pending", "--type=transient", "--match=503").splitlines()[1:]] == mail
    page = dlq(sluice, "list", "--limit=2", "--page=2", "--after=1")
    assert [line.split()[0] for line in page.splitlines()[1:3]] == jobs[:2] and page.endswith("\n2 of 5, page 2 of 3\n")
    assert json.loads(dlq(sluice, "list", "--json", "--limit=1"))["per_page"] == 1
    shown = dlq(sluice, "show", jobs[0])
    assert re.search(r"^error_status +400$", shown, re.M) and re.search(r"^user +ann$", shown, re.M), shown
    assert re.search(r"^\S+Z  attempt +1 +400 .*\n\S+Z  dead ", shown, re.M) and '400 {"a":1}\n\\x1b[31m' in shown and "\x1b" not in shown
    assert re.fullmatch(r'400 \{"a":1\}\n\x1b\[31m[012]', dlq(sluice, "show", jobs[0], "--payload"))
    assert json.loads(dlq(sluice, "show", jobs[0], "--json")) == one(sluice, jobs[0])
    table = dlq(sluice, "stats")
    assert re.search(r"^jobs +3 +0 +0 +0 ", table, re.M) and re.search(r"^all +5 +0 +0 +0 ", table, re.M), table
    assert re.search(r"^\d{4}-\d\d-\d\dT\d\d:00:00Z  mail +transient +2$", table, re.M) and "10000 messages for 7d" in table, table
    assert re.search(r"^answers\? 503 +- +- +1h00m +2 +100 +\d+ +0 +-$", dlq(sluice, "rules"), re.M)
    assert re.search(r"^dead letters +5 pending, 0 being sent again$", ctl(sluice, "status").stdout, re.M)
    assert re.search(r"^jobs +ok +[^\n]* 3 +\d+ +\d+ +http:", ctl(sluice, "streams").stdout, re.M), ctl(sluice, "streams").stdout


@pytest.mark.sanitize
def test_all_pending_are_sent_again(letters):
    """As the origin's dlq-admin does it."""
    sluice = letters.start()
    made = letters.make(sluice, "jobs", 400, 3) + letters.make(sluice, "mail", 503, 2)
    letters.service.well = True
    assert "5 of 5 would be sent again\n" == dlq(sluice, "reprocess", "--dry-run")
    assert re.fullmatch(r"5 of 5 will be sent again; job [0-9a-f]{32}\n", dlq(sluice, "reprocess", "--batch=100", "--delay=1s"))
    wait_status(sluice, made, "resolved")
    login = os.getlogin() if os.isatty(0) else pwd.getpwuid(os.getuid()).pw_name
    assert one(sluice, made[0])["resolved_by"] in (login, getpass.getuser())
    wait_until(lambda: re.search(r"^[0-9a-f]{32}  done +5 +5 +5 +0 +0 ", dlq(sluice, "jobs"), re.M), lambda: f"the job is done: {dlq(sluice, 'jobs')}")
    assert dlq(sluice, "reprocess") == "0 of 0 will be sent again\n"


def test_choosing(letters):
    sluice = letters.start()
    jobs, mail = letters.make(sluice, "jobs", 400, 3, "apple"), letters.make(sluice, "mail", 503, 2, "pear")
    assert dlq(sluice, "discard", "--match", jobs[0], "--dry-run") == "1 of 1 would be discarded\n"
    assert dlq(sluice, "discard", "--ids", f"{jobs[0]},{jobs[1]}", "--operator=ann", "--reason=test data") == "2 of 2 are discarded\n"
    assert (one(sluice, jobs[0])["resolved_by"], one(sluice, jobs[0])["reason"]) == ("ann", "test data")
    done = ctl(sluice, "dlq", "discard", f"--ids={jobs[0]},{NOBODY}")
    assert done.returncode == 1 and "409" in done.stderr and jobs[0] in done.stdout and NOBODY in done.stdout
    printed = dlq(sluice, "reprocess", f"--ids={mail[0]},{jobs[0]}", "--wait=1h", "--operator", "bob")
    assert re.match(rf"1 of 2 will be sent again; job [0-9a-f]+\nSKIPPED +WHY\n{jobs[0]}  ", printed), printed
    job = re.search(r"job (\w+)", printed)[1]
    assert dlq(sluice, "cancel", job, "--reason=no") == "1 taken back\n"
    assert json.loads(dlq(sluice, "jobs", "--json"))["jobs"][0]["state"] == "cancelled"
    assert dlq(sluice, "discard", "--stream=mail", "--type=transient") == "2 of 2 are discarded\n"
    assert dlq(sluice, "discard", "--all") == "1 of 1 are discarded\n"
    assert stats(sluice)["status"]["discarded"] == 5
    letters.service.well = True
    assert json.loads(dlq(sluice, "reprocess", f"--ids={jobs[2]}", "--force", "--json"))["accepted"] == 1
    wait_status(sluice, [jobs[2]], "resolved")


def test_exit_statuses(letters, tmp_path):
    sluice = letters.start()
    [id] = letters.make(sluice, "jobs", 400, 1)
    for args in (["discard"], ["discard", "--reason=x"], ["discard", f"--ids={id}", "--all"], ["reprocess", f"--ids={id}", "--stream=jobs"], ["show"], ["cancel"],
                 ["list", "x"], ["list", "--wrong=1"], ["reprocess", "--dry-run=1"], ["lost"]):
        done = ctl(sluice, "dlq", *args)
        assert done.returncode == 2 and done.stderr.strip() and not done.stdout, (args, done)
    for args, said in ((["show", NOBODY], "not found"), (["show", "x"], "id: "), (["cancel", NOBODY], "not found"), (["list", "--status=x"], "status: "),
                       (["list", "--limit=0"], "per_page: "), (["reprocess", "--rate=fast"], "rate: "), (["reprocess", "--delay=x"], "delay: "),
                       (["discard", "--ids=1"], "message_ids[0]: "), (["discard", f"--ids={NOBODY}"], "no such dead letter"), (["show", NOBODY, "--payload"], "not found")):
        done = ctl(sluice, "dlq", *args)
        assert done.returncode == 1 and said in done.stderr and not done.stdout, (args, done)
    assert run("-s", tmp_path / "none.sock", "dlq", "list").returncode == 3
    assert one(sluice, id)["status"] == "pending"


def test_with_a_key_over_tcp(letters, tmp_path):
    key = new_key(tmp_path / "keys", "ops", "--role=admin")
    sluice = letters.start(server=f"location /api/ {{ auth_keys {tmp_path}/keys; admin_api; }}")
    [id] = letters.make(sluice, "jobs", 400, 1)
    done = run("-u", sluice.url, "dlq", "discard", f"--ids={id}", "--operator=ann", env={"SLUICE_API_KEY": key})
    assert (done.returncode, done.stdout) == (0, "1 of 1 are discarded\n"), done
    assert one(sluice, id)["resolved_by"] == "ops (ann)"
    assert run("-u", sluice.url, "dlq", "list", env={"SLUICE_API_KEY": "sk_wrong"}).returncode == 1


def test_deliveries(letters):
    sluice = letters.start()
    [id] = letters.make(sluice, "jobs", 503, 1)
    message = one(sluice, id)["original_message_id"]
    done = wait_until(lambda: (d := ctl(sluice, "deliveries", "jobs")) and d.stdout.count(message) == 2 and d, "both attempts are told")
    assert re.match(r"TIME +MESSAGE +STATUS +ATTEMPT +CODE +MS +TRACE +ERROR\n", done.stdout)
    assert re.search(rf"^\S+Z  {message}  failed +2 +503 .*\n\S+Z  {message}  retry +1 +503 ", done.stdout, re.M), done.stdout
    assert len(ctl(sluice, "deliveries", "jobs", f"--message={message}", "--status=retry").stdout.splitlines()) == 2
    assert len(json.loads(ctl(sluice, "deliveries", "jobs", "--json", "--limit=1").stdout)["deliveries"]) == 1
    for args, said in ((["none"], "no such stream"), (["jobs", "--status=x"], "status: "), (["jobs", "--message=1"], "message_id: ")):
        done = ctl(sluice, "deliveries", *args)
        assert done.returncode == 1 and said in done.stderr, done


def test_help():
    for command in ("list", "show", "reprocess", "discard", "cancel", "jobs", "stats", "rules"):
        done = run("help", "dlq", command)
        assert done.returncode == 0 and done.stdout.startswith(f"usage: sluicectl dlq {command}")
    assert all(f"--{option}" in run("help", "dlq", "reprocess").stdout for option in
               ("ids", "all", "stream", "type", "match", "batch", "delay", "rate", "force", "dry-run", "operator", "reason"))
    assert run("help", "dlq").stdout.count("usage: ") == 8 and "--message=ID" in run("help", "deliveries").stdout
