"""The embedded destination: a folder. Looked into like a bucket, so that a test may run with either."""

import json
from pathlib import Path

from lib.objects import Bucket, Object


class Folder(Bucket):
    """A folder that a `sink dir` delivers to; names of objects are paths below it, without sidecars and temporary files."""

    def __init__(self, path):
        self.path = Path(path)
        self.name = str(path)

    def _all_keys(self, prefix):
        found = [path for path in self.path.rglob("*") if path.is_file() and not path.name.startswith(".")]
        keys = [str(path.relative_to(self.path)) for path in found if path.suffix != ".meta"]
        return [key for key in keys if key.startswith(prefix)]

    def get(self, key):
        path = self.path / key
        meta = Path(f"{path}.meta")
        about = json.loads(meta.read_text()) if meta.exists() else {"content_type": "application/gzip"}
        return Object(key, path.read_bytes(), about, about["content_type"])


class Embedded:
    """The three streams of the ingest service, each into a folder of its own below `root`. bundles: more directives of usage and
    error; objects: of specimen. `streams` is for config.native()."""

    def __init__(self, root, bundles="bundle_interval 50ms;", objects=""):
        self.usage, self.error, self.specimen = (Folder(Path(root) / name) for name in ("usage", "error", "specimen"))
        self.streams = {
            "usage": f"sink dir {self.usage.name}; {bundles}",
            "error": f"sink dir {self.error.name}; {bundles}",
            "specimen": f"sink dir {self.specimen.name}; mode object; {objects}",
        }

    def __getitem__(self, name):
        return getattr(self, name)
