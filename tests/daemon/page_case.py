"""What the tests of the status pages share: a browser for each file of them, and what it shows.

A file of them imports setUpModule and tearDownModule beside PageTest.
"""

import json
import os
import sys
import unittest

from harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
from chromium import Chromium  # noqa: E402

LIVE = "document.querySelector('#state').textContent === 'live'"
AWAY = "document.querySelector('#state').textContent === 'away'"

browser = None


def setUpModule():
    global browser
    browser = Chromium()


def tearDownModule():
    if browser:
        browser.close()


def cells(page, selector, key):
    """The texts of the row of a table that begins with `key`."""
    return page.evaluate("""[...document.querySelectorAll(%s)]
        .map((row) => [...row.children].map((cell) => cell.textContent))
        .find((row) => row[0] === %s)""" % (json.dumps(selector + " tr"), json.dumps(key)))


class PageTest(unittest.TestCase):
    def setUp(self):
        self.pages = []

    def tearDown(self):
        for page in self.pages:
            page.close()

    def open(self, url, **how):
        page = browser.open(url, **how)
        self.pages.append(page)
        return page

    def open_live(self, url, **how):
        page = self.open(url, **how)
        page.wait_for(LIVE)
        return page

    def confirm(self, page, question):
        """Says yes to the question that the page asks, which must hold `question`."""
        page.wait_for("document.querySelector('#question').open")
        self.assertIn(question, page.text("#question_text"))
        page.click("#question_yes")
        page.wait_for("!document.querySelector('#question').open")
