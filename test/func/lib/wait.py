"""Waiting for something to become true: the only place where tests sleep."""

import time

# Machines that run the tests are shared and slow; only a failing test waits this long.
PATIENCE = 30.0


def wait_until(condition, what, timeout=PATIENCE, interval=0.02):
    """Returns the first true value of condition(); fails with `what` (a text, or a function that makes one) at the time-out."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:g} s still not: {what() if callable(what) else what}")
        time.sleep(interval)
        interval = min(interval * 1.5, 0.25)
