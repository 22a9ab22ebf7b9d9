"""Configurations for the server under test. Tests say what is particular to them; the rest is the ordinary set-up: the three
streams of the ingest service, into one bucket of one store, each below a prefix of its name."""

STREAMS = {
    "usage": "sink s3 s bucket={bucket} prefix=usage/; bundle_interval 1s;",
    "error": "sink s3 s bucket={bucket} prefix=error/; bundle_interval 1s;",
    "specimen": "sink s3 s bucket={bucket} prefix=specimen/; mode object;",
}


def store_block(store, extra=""):
    """The `store s` block that leads to a Minio or a ScriptedStore."""
    ca_file = f"ca_file {store.ca_file};" if store.ca_file else ""
    return f"""
    store s {{
        endpoint {store.endpoint};
        region {store.region};
        credentials keys {store.access_key} {store.secret_key};
        bucket_style path;
        {ca_file} {extra}
    }}"""


def native(port, state_dir, store=None, bucket="", streams=None, main="", http="", server="", listen=""):
    """The text of a configuration in the server's own language.

    streams: name -> directives of the block (`{bucket}` is filled in), in place of STREAMS; each gets a location of its name.
    main, http, server: further directives of those contexts. listen: in place of the plain listener on the port."""
    if streams is None:
        streams = STREAMS if store else {}
    name = getattr(bucket, "name", bucket)
    blocks = "".join(
        f"\n    stream {stream} {{ {directives.replace('{bucket}', name)} }}" for stream, directives in streams.items()
    )
    locations = "".join(
        f"\n        location = /{stream} {{ auth user_token; ingest {stream}; }}" for stream in streams
    )
    workers = "" if "worker_processes" in main else "worker_processes 2;"
    return f"""state_dir {state_dir};
{workers} {main}
events {{ }}
http {{{store_block(store) if store else ""}{blocks}
    {http}
    server {{
        {listen or f"listen 127.0.0.1:{port};"}{locations}
        location = /health {{ health; }}
        {server}
    }}
}}
"""


def ingest_service(state_dir, store, buckets, **changes):
    """The text of a config.yml as users of the ingest service have it. buckets: of usage, error and specimen.
    changes: lines by `section_key`, such as aggregation_usage_interval="2s"; None leaves a line out."""
    lines = {
        "cache_dir": state_dir,
        "aws_region": store.region,
        "aws_access_key_id": store.access_key,
        "aws_secret_access_key": store.secret_key,
        "aws_endpoint": store.endpoint,
        "s3_usage_bucket": buckets[0],
        "s3_error_bucket": buckets[1],
        "s3_specimen_bucket": buckets[2],
        "aggregation_usage_interval": "2s",
        "aggregation_error_interval": "2s",
    } | changes
    text = [f"cache_dir: {lines.pop('cache_dir')}"] if lines["cache_dir"] else []
    for section in ("aws", "s3", "aggregation"):
        keys = [name for name in lines if name.startswith(section + "_") and lines[name] is not None]
        if keys:
            text.append(f"{section}:")
            text += [f'  {name.removeprefix(section + "_")}: "{lines[name]}"' for name in keys]
    return "\n".join(text) + "\n"
