"""A web page as its reader sees it, in headless Chromium."""

from pathlib import Path

import pytest


@pytest.fixture
def visit(browser):
    """Open a page and wait until its script is through; afterwards its console must be empty."""

    def visit(page: Path | str, view: str = ""):
        browser.get("about:blank")  # else another view of the same page would not load it again
        browser.get((page if isinstance(page, str) else page.as_uri()) + view)
        return Page(browser)

    yield visit
    assert browser.get_log("browser") == []


class Page:
    """What a user does and sees."""

    def __init__(self, browser):
        self.browser = browser

    def run(self, script, *arguments):
        return self.browser.execute_script(f"return {script}", *arguments)

    def find(self, css):
        return self.browser.find_elements("css selector", css)

    def column(self, name):
        """The cells of a column of the runs' table, from top to bottom."""
        names = [one.get_attribute("data-sort") for one in self.find("#table thead button")]
        return [one.text for one in self.find(f"#table tbody td:nth-child({names.index(name) + 2})")]

    def click(self, css):
        (one,) = self.find(css)
        self.run("arguments[0].scrollIntoView({block: 'center'})", one)
        one.click()

    def select(self, run):
        self.click(f'#table input[aria-label="select {run}"]')

    def choose(self, css, text):
        from selenium.webdriver.support.select import Select

        Select(self.find(css)[0]).select_by_visible_text(text)

    def slide(self, css, value):
        script = "arguments[0].value = arguments[1], arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        self.run(script, self.find(css)[0], value)

    def drawn(self, chart):
        """Name, x and y of each line of a Plotly chart."""
        wanted = "(document.getElementById(arguments[0]).data || []).map(one => [one.name, [...one.x], [...one.y]])"
        return {name: (x, y) for name, x, y in self.run(wanted, chart)}
