"""The page of a reader's tasks in a real browser."""

import os
import tempfile

from harness import Daemon, post, wait_until
from page_case import LIVE, PageTest, cells, setUpModule, tearDownModule  # noqa: F401

LONG = True


class ReaderPageTest(PageTest):
    def reader(self, queue, *args):
        folder = self.enterContext(tempfile.TemporaryDirectory())
        reader = Daemon("queuereader", "--source=" + queue.url(), "--http-address=127.0.0.1:0",
                        "--failed-message-dir=" + os.path.join(folder, "failed"), *args,
                        listens=True)
        self.addCleanup(reader.kill)
        return reader

    def test_tasks_are_shown_live_with_links_to_their_views(self):
        with Daemon("simplequeue") as queue:
            reader = self.reader(queue, "--task=top:field=word", "--task=count")
            page = self.open_live(reader.url("/"))
            page.wait_for("document.querySelector('#tasks_link')")
            page.click("#tasks_link")
            page.wait_for("location.pathname === '/tasks'")
            page.wait_for(LIVE)
            page.wait_for("document.querySelectorAll('#tasks tr').length === 2")
            post(queue.url("/mput"), '{"word":"<b>a</b>"}\n{"word":"b"}\n{"word":"b"}')
            wait_until(lambda: cells(page, "#tasks", "top:field=word")[1] == "3", 20)
            self.assertEqual(page.text("#messages"), "3")
            self.assertEqual(cells(page, "#tasks", "count")[9].split(), ["json", "text"])
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"),
                                 page.evaluate("window.innerWidth"))
            # The figures are written over each second; the links stay, also under the pointer.
            page.evaluate("window.link = document.querySelector('#tasks a:last-of-type'), 0")
            before = page.text("#about")
            wait_until(lambda: page.text("#about") != before, 20)
            self.assertTrue(page.evaluate("window.link.isConnected"))
            self.assertEqual(page.problems(), [])
            page.evaluate("[...document.querySelectorAll('#tasks a')]"
                          ".find((a) => a.textContent === 'svg').click(), 0")
            page.wait_for("document.documentElement.tagName.toLowerCase() === 'svg'")
            self.assertIn("<b>a</b>", page.evaluate("document.documentElement.textContent"))
            reader.stop()


if __name__ == "__main__":
    import unittest

    unittest.main()
