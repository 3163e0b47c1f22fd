"""The page of simplequeue in a real browser: what it shows, what its buttons do, and that it goes on by
itself when the daemon comes back."""

import re
import tempfile
import unittest

from harness import Daemon, get, post, wait_until
from page_case import AWAY, LIVE, PageTest, cells, setUpModule, tearDownModule  # noqa: F401

LONG = True
WAITS = True


class SimplequeuePageTest(PageTest):
    def bury(self, daemon, queue, count):
        post(daemon.url("/mput?queue=" + queue), b"".join(b"dead %d\n" % i for i in range(count)))
        leased = get(daemon.url("/mget?queue=%s&items=%d&lease=1m" % (queue, count))).body
        receipts = re.findall(rb"^(\S+) \d+ \d+$", leased, re.MULTILINE)
        self.assertEqual(len(receipts), count)
        self.assertEqual(post(daemon.url("/bury?queue=" + queue), b"\n".join(receipts)).status, 200)

    def test_queues_their_depth_and_what_is_in_them(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/mput?queue=jobs"), b"a\nb\n<b>c</b>\n")
            get(daemon.url("/get?queue=jobs&lease=1m"))
            self.bury(daemon, "mail", 2)
            page = self.open_live(daemon.url("/"))
            page.wait_for("document.querySelector('#queue_title').textContent === 'jobs'")  # the fullest
            wait_until(lambda: cells(page, "#queues", "jobs"), what="the queue in the table")
            self.assertEqual(cells(page, "#queues", "jobs")[1:5], ["2", "1", "0", "0"])
            self.assertEqual(cells(page, "#queues", "mail")[1:5], ["0", "0", "0", "2"])
            self.assertEqual(page.text("#dead"), "2")
            page.wait_for("document.querySelectorAll('#peek code').length === 2")
            self.assertEqual(page.texts("#peek code"), ["b", "<b>c</b>"])
            page.click("#peek_state input[value=in_flight]")
            page.wait_for("document.querySelectorAll('#peek code').length === 1")
            self.assertEqual(page.texts("#peek code"), ["a"])
            self.assertIn("attempt 1", page.text("#peek .where"))
            self.assertRegex(page.evaluate("document.querySelector('#depth').getAttribute('aria-label')"),
                             r"^ready: 2, in flight: 1, dead: 0$")
            self.assertEqual(page.problems(), [])

    def test_bytes_that_are_no_text_are_shown_as_binary(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/put"), b"\xff\x00ab<i>")
            page = self.open_live(daemon.url("/"))
            page.wait_for("document.querySelectorAll('#peek code').length === 1")
            self.assertEqual(page.text("#peek code"), "binary \u00b7\u00b7ab<i>")

    def test_dead_letters_are_kicked_by_the_button_after_a_question(self):
        with Daemon("simplequeue") as daemon:
            self.bury(daemon, "jobs", 3)
            page = self.open_live(daemon.url("/#jobs"))
            page.wait_for("document.querySelector('#kick').textContent === 'kick 3 dead'")
            page.click("#peek_state input[value=dead]")
            page.wait_for("document.querySelectorAll('#peek code').length === 3")
            self.assertEqual(page.texts("#peek code"), ["dead 0", "dead 1", "dead 2"])
            # No is no.
            page.click("#kick")
            page.wait_for("document.querySelector('#question').open")
            page.click("#question_no")
            page.wait_for("!document.querySelector('#question').open")
            self.assertIn("dead:3", get(daemon.url("/queues")).text)
            # Asked again at once, before the browser has told that the first question is closed.
            page.click("#kick")
            page.wait_for("document.querySelector('#question').open")
            page.evaluate("""['no', 'kick'].forEach((what) =>
                document.querySelector(what === 'no' ? '#question_no' : '#kick').click())""")
            self.confirm(page, "3 dead letters of jobs")
            page.wait_for("document.querySelector('#action_answer').textContent.endsWith('kicked 3')")
            self.assertIn("jobs ready:3 in_flight:0 deferred:0 dead:0", get(daemon.url("/queues")).text)
            wait_until(lambda: cells(page, "#queues", "jobs")[1:5] == ["3", "0", "0", "0"],
                       what="the table")
            self.assertTrue(page.evaluate("document.querySelector('#kick').disabled"))
            self.assertEqual(page.problems(), [])

    def test_a_queue_is_paused_and_unpaused_by_the_keyboard_alone(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/put?queue=jobs"), b"a")
            page = self.open_live(daemon.url("/"))
            page.wait_for("document.querySelector('#queue_title').textContent === 'jobs'")
            # The table's region and its two queues, then the first button.
            for _ in range(10):
                page.press("Tab", number=9)
                if page.evaluate("document.activeElement.id") == "pause":
                    break
            for paused in (True, False):
                page.press("Enter", number=13, text="\r")
                page.wait_for("document.querySelector('#question').open")
                page.press("Tab", number=9)
                self.assertEqual(page.evaluate("document.activeElement.id"), "question_yes")
                page.press("Enter", number=13, text="\r")
                page.wait_for("document.querySelector('#paused').hidden === %s" % str(not paused).lower())
                self.assertIn("paused:%d" % paused, get(daemon.url("/queues")).text.splitlines()[1])
                page.wait_for("document.activeElement.id === 'pause'")
            # Escape says no.
            page.press("Enter", number=13, text="\r")
            page.wait_for("document.querySelector('#question').open")
            page.press("Escape", number=27)
            page.wait_for("!document.querySelector('#question').open")
            self.assertIn("paused:0", get(daemon.url("/queues")).text.splitlines()[1])
            self.assertEqual(page.problems(), [])

    def test_another_queue_is_looked_into_with_a_click(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/put?queue=a"), b"in a")
            post(daemon.url("/mput?queue=b"), b"in b\nin b too\n")
            page = self.open_live(daemon.url("/"))
            page.wait_for("document.querySelector('#peek code')?.textContent === 'in b'")
            page.click("#queues tr:nth-child(1) button")
            page.wait_for("document.querySelector('#peek code')?.textContent === 'in a'")
            self.assertEqual(page.text("#queue_title"), "a")
            self.assertEqual(page.evaluate("location.hash"), "#a")
            self.assertEqual(page.problems(), [])

    def test_the_page_goes_on_when_the_daemon_is_back(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Daemon("simplequeue", "--data-path=" + folder)
            post(first.url("/put?queue=jobs"), b"kept")
            page = self.open_live(first.url("/"))
            page.wait_for("document.querySelector('#peek code')?.textContent === 'kept'")
            first.kill()
            page.wait_for(AWAY)
            self.assertIn("simplequeue does not answer", page.text("#trouble"))
            with Daemon("simplequeue", "--port=%d" % first.port, "--data-path=" + folder) as again:
                page.wait_for(LIVE)
                post(again.url("/put?queue=jobs"), b"new")
                page.wait_for("document.querySelectorAll('#peek code').length === 2")
                self.assertEqual(page.texts("#peek code"), ["kept", "new"])

    def test_an_address_that_names_no_queue_shows_the_fullest(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/put?queue=jobs"), b"a")
            page = self.open_live(daemon.url("/#no%20queue%"))
            page.wait_for("document.querySelector('#queue_title').textContent === 'jobs'")
            self.assertEqual(page.problems(), [])

    def test_on_a_phone_nothing_sticks_out(self):
        with Daemon("simplequeue") as daemon:
            post(daemon.url("/put?queue=" + "q" * 64), b"x" * 5000)
            page = self.open_live(daemon.url("/"), width=360, height=740, phone=True, dark=True)
            page.wait_for("document.querySelectorAll('#peek code').length === 1")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 360)
            self.assertEqual(page.problems(), [])


if __name__ == "__main__":
    unittest.main()
