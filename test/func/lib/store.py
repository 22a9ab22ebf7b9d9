"""An S3 store that does what the test says (lib/scripted.py). Truthfully it keeps objects with their metadata, refuses a second PUT under
`If-None-Match: *`, answers HEAD, GET and DELETE.

    store.script(status(503, "SlowDown"), times=3)      the next three PUTs fail, then all is well"""

import datetime
import hashlib
import re
import time
import urllib.parse

from lib import scripted
from lib.objects import ACCESS_KEY, REGION, SECRET_KEY, Bucket, Object
from lib.scripted import cut_short, garbage, hang, reset, slow, truthful

__all__ = ["ScriptedBucket", "ScriptedStore", "cut_short", "garbage", "hang", "lie", "reset", "slow", "status", "truthful"]


def status(code, s3_code="InternalError", after=False, headers=None):
    """An error answer. With after=True the request was carried out all the same: the outcome is not what the client hears."""
    return scripted.status(code, error_document(s3_code), after, headers)


def lie(exchange):
    """Says 200 and has stored nothing."""
    exchange.answer(200, {"ETag": '"00000000000000000000000000000000"'}, b"")


def error_document(code):
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>as the test says</Message></Error>'.encode()


class Request(scripted.Request):
    @property
    def bucket(self):
        return self.path.lstrip("/").partition("/")[0]

    @property
    def key(self):
        return self.path.lstrip("/").partition("/")[2]


class ScriptedStore(scripted.ScriptedServer):
    """The store. `objects` maps (bucket, key) to Object; they outlive stop() and start()."""

    access_key, secret_key, region = ACCESS_KEY, SECRET_KEY, REGION
    request_class = Request

    def __init__(self, *args, **options):
        self.honours_conditions = True
        self.objects = {}
        super().__init__(*args, **options)

    def script(self, *behaviours, method="PUT", key="", times=1):
        """The server's own probe is left out unless the expression names it."""
        super().script(*behaviours, method=method, key=key or r"^(?!.*\.sluice-probe$)", times=times)

    def apply(self, request):
        refusal = self._refusal(request)
        if refusal:
            return refusal
        if not request.key:
            return 200, {}, b""
        place = (request.bucket, request.key)
        with self._lock:
            found = self.objects.get(place)
            if request.method == "PUT":
                return self._put(place, found, request)
            if request.method == "DELETE":
                self.objects.pop(place, None)
                return 204, {}, b""
        if not found:
            return 404, {}, error_document("NoSuchKey")
        return 200, self._headers(found), found.body

    def _refusal(self, request):
        claimed = request.headers.get("x-amz-content-sha256", "")
        if re.fullmatch("[0-9a-f]{64}", claimed) and claimed != hashlib.sha256(request.body).hexdigest():
            return 400, {}, error_document("XAmzContentSHA256Mismatch")
        stamp = request.headers.get("x-amz-date")
        if stamp:
            then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
            if abs(then.timestamp() - time.time() - self.clock_offset) > 15 * 60:
                return 403, {}, error_document("RequestTimeTooSkewed")
        return None

    def _put(self, place, found, request):
        if found and self.honours_conditions and request.headers.get("if-none-match") == "*":
            return 412, {}, error_document("PreconditionFailed")
        prefix = "x-amz-meta-"
        metadata = {name[len(prefix) :]: value for name, value in request.headers.items() if name.startswith(prefix)}
        content_type = request.headers.get("content-type", "binary/octet-stream")
        self.objects[place] = Object(request.key, request.body, metadata, content_type)
        return 200, {"ETag": f'"{hashlib.md5(request.body).hexdigest()}"'}, b""

    @staticmethod
    def _headers(found):
        headers = {f"x-amz-meta-{name}": value for name, value in found.metadata.items()}
        etag = f'"{hashlib.md5(found.body).hexdigest()}"'
        return headers | {"Content-Length": str(len(found.body)), "Content-Type": found.content_type, "ETag": etag}

    def seen(self, method="PUT", key=""):
        """Without the server's probe."""
        return [request for request in super().seen(method, key) if not request.key.endswith(".sluice-probe")]

    def wait_seen(self, count, method="PUT", key="", **options):
        return super().wait_seen(count, method, key, **options)

    def bucket(self):
        return ScriptedBucket(self, "scripted")


class ScriptedBucket(Bucket):
    """A bucket of a scripted store."""

    def __init__(self, store, name):
        self.store = store
        self.name = name

    def _all_keys(self, prefix):
        return [key for bucket, key in list(self.store.objects) if bucket == self.name and key.startswith(prefix)]

    def get(self, key):
        return self.store.objects[self.name, key]
