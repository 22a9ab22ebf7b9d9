"""Who may: sources of the auth step, API keys and their file, what a client is told, and how soon a change counts."""

import os
import time

import pytest

from lib.admin import api, new_key, run
from lib.wait import wait_until

MISSING = "Missing X-API-Key header or Authorization header"


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "keys"


@pytest.fixture
def gate(server, tmp_path, keys):
    """A server with a location for each kind of auth, and the keys alice (user) and old (expired)."""
    secrets = {"alice": new_key(keys, "alice"), "old": new_key(keys, "old", "--expires=1s")}
    locations = {
        "key": "auth api_key;",
        "bearer": "auth bearer;",
        "both": "auth api_key bearer;",
        "any": "auth user_token api_key bearer;",
        "optional": "auth bearer none;",
        "v1/": "auth api_key bearer;",
    }
    streams = {"usage": f"sink dir {tmp_path}/out; bundle_interval 50ms;"}
    text = "".join(f"location /{name} {{ {auth} ingest usage; }} " for name, auth in locations.items())
    sluice = server(streams=streams, http=f"auth_keys {keys};", server=text)
    return sluice, secrets


def put(sluice, path, **headers):
    return sluice.put(path, b"x", user=None, headers={name.replace("_", "-") if name != "USER_TOKEN" else name: value for name, value in headers.items()})


def user_of_last_request(sluice, answer):
    [line] = sluice.wait_log(rf"request_id={answer.headers['X-Request-Id']}")
    return line.partition("user=")[2].split(" ")[0] if "user=" in line else None


COMES_IN = [
    ("/key", {"X_API_Key": "{alice}"}, "alice"),
    ("/bearer", {"Authorization": "Bearer {alice}"}, "alice"),
    ("/bearer", {"Authorization": "bearer   {alice}"}, "alice"),
    ("/both", {"Authorization": "Bearer {alice}"}, "alice"),
    ("/both", {"X_API_Key": "wrong", "Authorization": "Bearer {alice}"}, "alice"),
    ("/any", {"USER_TOKEN": "carol", "X_API_Key": "{alice}"}, "carol"),
    ("/any", {"X_API_Key": "{alice}"}, "alice"),
    ("/optional", {"Authorization": "Bearer {alice}"}, "alice"),
    ("/optional", {}, None),
    ("/optional", {"Authorization": "Basic eDp5"}, None),
    ("/v1/x", {"Authorization": "Bearer {alice}"}, "alice"),
]


@pytest.mark.sanitize
def test_who_comes_in(gate):
    sluice, secrets = gate
    for path, headers, user in COMES_IN:
        answer = put(sluice, path, **{name: value.format(**secrets) for name, value in headers.items()})
        assert answer.status_code == 204, (path, headers, answer.text)
        assert user_of_last_request(sluice, answer) == user


IS_REFUSED = [
    ("/key", {}, MISSING, None),
    ("/key", {"Authorization": "Bearer {alice}"}, MISSING, None),
    ("/key", {"X_API_Key": "sk_wrong"}, "Invalid API key", None),
    ("/key", {"X_API_Key": "{old}"}, "API key expired", None),
    ("/key", {"X_API_Key": "x" * 300}, "Invalid API key", None),
    ("/bearer", {}, MISSING, "Bearer"),
    ("/bearer", {"Authorization": "Basic eDp5"}, MISSING, "Bearer"),
    ("/bearer", {"Authorization": "Bearer sk_wrong"}, "Invalid API key", 'Bearer error="invalid_token"'),
    ("/bearer", {"X_API_Key": "{alice}"}, MISSING, "Bearer"),
    ("/any", {}, "USER_TOKEN header is required", "Bearer"),
    ("/optional", {"Authorization": "Bearer {old}"}, "API key expired", 'Bearer error="invalid_token"'),
]


def test_who_is_refused(gate):
    sluice, secrets = gate
    wait_until(lambda: put(sluice, "/key", X_API_Key=secrets["old"]).status_code == 401, "the key expires")
    for path, headers, message, challenge in IS_REFUSED:
        answer = put(sluice, path, **{name: value.format(**secrets) for name, value in headers.items()})
        assert (answer.status_code, answer.json()) == (401, {"message": message}), (path, headers)
        assert answer.headers.get("WWW-Authenticate") == challenge, (path, headers)


def test_openai_error_object(gate):
    sluice, _ = gate
    for path in ("/v1/x", "/v1/chat/completions"):
        answer = put(sluice, path, Authorization="Bearer sk_wrong")
        assert answer.status_code == 401
        assert answer.json() == {"error": {"message": "Invalid API key", "type": "invalid_request_error", "param": None, "code": "invalid_api_key"}}


def test_no_key_is_ever_written(gate, keys):
    """Neither to the keys file, nor to the log, whether it is right or wrong."""
    sluice, secrets = gate
    for key in (*secrets.values(), "sk_guessed"):
        put(sluice, "/both", X_API_Key=key)
        put(sluice, "/both", Authorization=f"Bearer {key}")
    sluice.wait_log("status=401", 2)
    for text in (sluice.log(), keys.read_text()):
        assert not any(key in text for key in (*secrets.values(), "sk_guessed"))


def test_changes_of_the_file_count_within_seconds(gate, keys):
    sluice, _ = gate
    bob = new_key(keys, "bob", "--role=service")
    wait_until(lambda: put(sluice, "/key", X_API_Key=bob).status_code == 204, "bob's key is taken")
    assert run("keys", "revoke", "bob", f"--file={keys}").returncode == 0
    # Two workers look by themselves: wait until both have.
    sluice.wait_log(r"auth: keys file read file=\S+/keys keys=2", 2)
    assert all(put(sluice, "/key", X_API_Key=bob).status_code == 401 for _ in range(20))


@pytest.mark.sanitize
def test_a_file_gone_bad_leaves_the_keys_in_force(gate, keys):
    sluice, secrets = gate
    good = keys.read_text()
    keys.write_text(good + "sk_pasted_by_mistake a user - -\n")
    sluice.wait_log(r"error auth: keys file not read: the keys read before stay in force file=\S+ why=\"\S+keys:4: the first field is the SHA-256", 2)
    assert "pasted" not in sluice.log()
    assert put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 204
    keys.unlink()
    sluice.wait_log("why=.*No such file", 2)
    assert put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 204
    keys.write_text(good.splitlines()[0] + "\n")
    wait_until(lambda: put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 401, "the empty file counts")


@pytest.mark.sanitize
def test_a_file_being_written_is_not_read(gate, keys):
    """An editor empties the file and then writes it: at no time does that shut anybody out."""
    sluice, secrets = gate
    good = keys.read_text()
    for i in range(40):
        with keys.open("w") as f:
            time.sleep(0.03)
            f.write(good + f"# edition {i}\n")
        assert put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 204
        time.sleep(0.03)
    keys.write_text(good + "# done\n")
    sluice.wait_log("keys file read .*keys=2", 2)
    assert put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 204
    assert "keys=0" not in sluice.log() and "not read" not in sluice.log()


def test_reload_reads_the_file(gate, keys):
    sluice, secrets = gate
    assert run("keys", "revoke", "alice", f"--file={keys}").returncode == 0
    sluice.reload()
    wait_until(lambda: api(sluice, "/api/status").json["configuration"] == 2, "the new configuration is in force")
    assert put(sluice, "/key", X_API_Key=secrets["alice"]).status_code == 401
    keys.write_text("bad\n")
    sluice.reload()
    sluice.wait_log(r"auth_keys: \S+/keys:1: too few fields")
    assert api(sluice, "/api/status").json["configuration"] == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change users")
def test_a_file_that_the_workers_cannot_read(server, tmp_path, keys):
    """What the master read counts; that later changes will not is said at once."""
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    secret = new_key(keys, "alice")
    keys.chmod(0o600)
    sluice = server(main="user 12345:23456;", http=f"auth_keys {keys};", server="location /in { auth api_key; health; }")
    sluice.wait_log(r"warn auth: keys file not readable by the workers: changes count after a reload only", 2)
    assert sluice.get("/in", headers={"X-API-Key": secret}).status_code == 200
    new_key(keys, "bob")
    sluice.wait_log(r"error auth: keys file not read: .* why=\".*Permission denied", 2)
    assert sluice.get("/in", headers={"X-API-Key": secret}).status_code == 200
