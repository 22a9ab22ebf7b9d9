"""Pages of the server in a real browser: headless Chromium, driven by Playwright. The fixtures `browser` and `watch` of conftest.py are made of these.

    w = watch(viewport={"width": 360, "height": 740})
    w.page.goto(sluice.url + "/console/")
    assert not w.complaints"""

import contextlib
import re
import shutil

from playwright.sync_api import Error, sync_playwright

# What Chromium writes to the console of each answer from 400 on, expected or not.
REFUSED = re.compile(r"^error: Failed to load resource: (the server responded with a status of \d+|net::ERR_\w+)")


@contextlib.contextmanager
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no chromium: run ci/install-deps test"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield started
        started.close()


class Watched:
    """A page, with whatever it complained about: exceptions, messages on the console (which tell of what the policy forbids), failed requests."""

    def __init__(self, browser, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.complaints, self.asked = [], []
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    @property
    def faults(self):
        """Complaints but for those of requests that were refused, or failed."""
        return [text for text in self.complaints if not REFUSED.match(text)]

    def wait(self, expression, argument=None):
        """Until this is true in the page."""
        try:
            return self.page.wait_for_function(expression, arg=argument, timeout=30000)
        except Error:
            shown = self.page.inner_text("body")[:1500]
            raise AssertionError(f"never {expression}; it complained {self.complaints} and shows\n{shown}") from None

    def section(self, title):
        return self.page.locator(f'section[aria-label="{title}"]')
