"""What `make bench` measures: rates against peers found on the machine, interleaved in one run because machines are noisy, with the server's CPU a
request beside each rate; memory; and times. Prints a Markdown table of what was measured against what must be reached.

bench.py [NAME...]: only these measurements (the tables at the end of intake.py, counting.py and delivery.py). What they read from the environment, common.py and each of them say.
Everything runs on this machine, on loopback, and ends by itself."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import counting
import delivery
import intake
from common import BUILD, TOP, rows

MEASUREMENTS = intake.MEASUREMENTS | counting.MEASUREMENTS | delivery.MEASUREMENTS


def main(names):
    unknown = [name for name in names if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"bench: unknown {unknown}: one of {', '.join(MEASUREMENTS)}")
    tree = BUILD.relative_to(TOP)
    subprocess.run(["make", "-s", f"B={tree}", "all", f"{tree}/test/bench/load"], cwd=TOP, check=True)
    folder = Path(tempfile.mkdtemp(prefix="sluice-bench-", dir=os.environ.get("BENCH_DIR", BUILD)))
    try:
        for name in names or MEASUREMENTS:
            print(f"{name}:", flush=True)
            MEASUREMENTS[name](folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n| what | must be | measured | reached | |\n|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


main(sys.argv[1:])
