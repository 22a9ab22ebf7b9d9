"""The console in a browser: logging in, going about, finding rows; what is forbidden to it fails the test that asks (assert_clean)."""

from lib.browser import Watched


class Console(Watched):
    """The console, opened with a key."""

    def enter(self, sluice, path="/console/", key=None, keep=False, url=None):
        """url: where the server is to be found for the browser, if not at its own address."""
        self.url, self.key = url or sluice.url, key
        answer = self.page.goto(self.url + path)
        self.page.wait_for_selector("form.login")
        if key:
            self.log_in(key, keep)
            self.page.wait_for_selector(".live[data-state=good]")
        return answer

    def log_in(self, key, keep=False):
        self.page.get_by_label("Admin key").fill(key)
        self.page.get_by_label("Keep until the tab closes").set_checked(keep)
        self.page.get_by_role("button", name="Log in").click()

    def go(self, name):
        self.page.get_by_role("navigation", name="Pages", exact=True).get_by_role("link", name=name).click()
        self.page.get_by_role("heading", name=name, level=1).wait_for()

    def row(self, table, text):
        return self.page.get_by_role("table", name=table).locator("tbody tr").filter(has_text=text)

    def notice(self, text):
        self.page.locator(".notice", has_text=text).wait_for()

    def assert_clean(self):
        """No exception, nothing that the policy forbids, no other host asked."""
        assert not self.faults
        assert all(url.startswith((self.url + "/", "blob:" + self.url)) for url in self.asked)
