"""The status pages in a real browser: what they show, what their buttons do, and that they go on by
themselves when the daemon comes back."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib

from harness import BIN_DIR, ROOT, Daemon, get, post, program_path, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
from chromium import Chromium  # noqa: E402

LONG = True
WAITS = True
LIVE = "document.querySelector('#state').textContent === 'live'"
AWAY = "document.querySelector('#state').textContent === 'away'"
LISTENING = "document.querySelector('#tail_state').textContent.startsWith('listening')"

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


def tail_texts(page):
    return page.texts("#tail code")


def pixels(path):
    """(width, height, rows of RGB) of a PNG as Chromium writes it: 8 bits, not interlaced."""
    with open(path, "rb") as file:
        data = file.read()
    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    if depth != 8 or colour not in (2, 6):
        raise AssertionError("a PNG of another kind: depth %d, colour type %d" % (depth, colour))
    step = {2: 3, 6: 4}[colour]
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    raw, stride, rows = zlib.decompress(packed), width * step, []
    before = bytearray(stride)
    for y in range(height):
        method, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left = row[i - step] if i >= step else 0
            up, corner = before[i], before[i - step] if i >= step else 0
            if method == 1:
                row[i] = (row[i] + left) & 255
            elif method == 2:
                row[i] = (row[i] + up) & 255
            elif method == 3:
                row[i] = (row[i] + (left + up) // 2) & 255
            elif method == 4:
                guess = left + up - corner
                nearest = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                              (abs(guess - corner), 2, corner))[2]
                row[i] = (row[i] + nearest) & 255
        rows.append(bytes(row))
        before = row
    return width, height, step, rows


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


class PubsubPageTest(PageTest):
    def open_listening(self, daemon, path="/", **how):
        page = self.open_live(daemon.url(path), **how)
        page.wait_for(LISTENING)
        return page

    def wait_for_tail(self, page, texts, timeout=20.0):
        try:
            wait_until(lambda: tail_texts(page) == texts, timeout)
        except AssertionError:
            self.assertEqual(tail_texts(page), texts)

    def test_a_message_that_is_published_appears_in_the_tail(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            post(daemon.url("/pub?topic=clicks.us"), b'{"u":"https://example.org/"}\nsecond\n')
            self.wait_for_tail(page, ['{"u":"https://example.org/"}', "second"])
            self.assertEqual(page.texts("#tail .where"), ["clicks.us 0", "clicks.us 1"])
            self.assertEqual(page.problems(), [])

    def test_markup_in_a_message_or_a_client_name_stays_text(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            nasty = "<img src=x onerror=alert(1)><b>bold</b>\u2028\"'&amp;"
            post(daemon.url("/pub"), nasty.encode())
            self.wait_for_tail(page, [nasty])
            self.assertEqual(page.evaluate("document.querySelectorAll('#tail img, #tail b').length"), 0)
            self.assertEqual(page.problems(), [])

    def test_the_tail_keeps_200_messages(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            post(daemon.url("/pub"), b"".join(b"%d\n" % i for i in range(1000)))
            self.wait_for_tail(page, [str(i) for i in range(800, 1000)])

    def test_the_tail_shows_the_topics_that_were_chosen(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            page.write("#tail_topic", "a.*,b")
            page.press("Enter", number=13, text="\r")
            page.wait_for("document.querySelector('#tail_state').textContent === 'listening to a.*,b'")
            for topic in ("a.1", "c", "b", "a.2"):
                post(daemon.url("/pub?topic=" + topic), topic.encode())
            self.wait_for_tail(page, ["a.1", "b", "a.2"])

    def test_publishing_from_the_page(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            page.write("#publish_topic", "notes")
            page.write("#publish_text", "one\ntwo")
            page.click("#publish_form button[type=submit]")
            self.wait_for_tail(page, ["one", "two"])
            self.assertEqual(page.text("#publish_answer"), "Published 2 messages to 1 clients.")
            # As one message, by the keyboard.
            page.evaluate("document.querySelector('#publish_whole').value = '1'")
            page.write("#publish_text", "three\nfour")
            page.press("Enter", number=13, modifiers=2)
            self.wait_for_tail(page, ["one", "two", "three\nfour"])
            page.wait_for("document.querySelector('#topics').textContent.includes('notes')")
            wait_until(lambda: cells(page, "#topics", "notes")[2] == "3", what="3 messages of notes")
            self.assertEqual(page.problems(), [])

    def test_numbers_topics_and_clients_are_those_of_the_daemon(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon)
            for i in range(7):
                post(daemon.url("/pub?topic=seven"), b"%d" % i)
            wait_until(lambda: (cells(page, "#topics", "seven") or [0] * 3)[2] == "7", what="7 messages")
            page.wait_for("document.querySelector('#subscribers').textContent === '1'")
            page.wait_for("document.querySelector('#clients tr')")
            row = page.texts("#clients tr:first-child > *")
            self.assertRegex(row[0], r"^status-page 127\.0\.0\.1:\d+$")
            self.assertEqual((row[1], row[3], row[4]), ("0", "*", "sse"))
            # The chart is drawn: a canvas with a size, and a description with the last values.
            self.assertGreater(page.evaluate("document.querySelector('#rates canvas').width"), 300)
            self.assertRegex(page.evaluate("document.querySelector('#rates').getAttribute('aria-label')"),
                             r"^published: \S+, delivered: \S+$")
            self.assertEqual(page.problems(), [])

    def test_a_click_on_a_topic_listens_to_it(self):
        with Daemon("pubsub") as daemon:
            post(daemon.url("/pub?topic=one"), b"x")
            page = self.open_listening(daemon)
            page.click("#topics button")
            page.wait_for("document.querySelector('#tail_state').textContent === 'listening to one'")

    def test_the_page_catches_up_after_the_daemon_was_killed(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Daemon("pubsub", "--data-path=" + folder)
            page = self.open_listening(first)
            post(first.url("/pub"), b"".join(b"%d\n" % i for i in range(20)))
            self.wait_for_tail(page, [str(i) for i in range(20)])
            first.kill()
            page.wait_for(AWAY)
            self.assertIn("does not answer", page.text("#trouble"))
            with Daemon("pubsub", "--port=%d" % first.port, "--data-path=" + folder) as again:
                # What comes before the page is back is what it has missed.
                post(again.url("/pub"), b"".join(b"%d\n" % i for i in range(20, 150)))
                self.wait_for_tail(page, [str(i) for i in range(150)], timeout=30)
                page.wait_for(LIVE)
                self.assertTrue(page.evaluate("document.querySelector('#trouble').hidden"))
                post(again.url("/pub"), b"150")
                self.wait_for_tail(page, [str(i) for i in range(151)])
            # Nothing but the attempts while it was away.
            others = [p for p in page.problems() if "ERR_CONNECTION_REFUSED" not in p
                      and "ERR_INCOMPLETE_CHUNKED_ENCODING" not in p and "ERR_CONNECTION_RESET" not in p
                      and "ERR_EMPTY_RESPONSE" not in p]
            self.assertEqual(others, [])

    def test_a_page_that_had_seen_nothing_yet_misses_nothing_either(self):
        with tempfile.TemporaryDirectory() as folder:
            first = Daemon("pubsub", "--data-path=" + folder)
            page = self.open_listening(first)
            first.kill()
            page.wait_for(AWAY)
            with Daemon("pubsub", "--port=%d" % first.port, "--data-path=" + folder) as again:
                post(again.url("/pub"), b"a\nb\n")
                self.wait_for_tail(page, ["a", "b"], timeout=30)

    def test_a_gap_is_told(self):
        # Nothing is kept: what came while the page was away is gone, and the offsets began anew.
        first = Daemon("pubsub")
        page = self.open_listening(first)
        post(first.url("/pub"), b"before")
        self.wait_for_tail(page, ["before"])
        first.kill()
        page.wait_for(AWAY)
        with Daemon("pubsub", "--port=%d" % first.port) as again:
            page.wait_for("document.querySelector('#tail .notice')", timeout=30)
            self.assertRegex(page.text("#tail .notice"), r"^it began anew.*goes on at \d+$")
            page.wait_for(LISTENING)
            post(again.url("/pub"), b"behind")
            self.wait_for_tail(page, ["before", "behind"])

    def test_the_token_of_the_page_goes_with_its_requests(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("a+b/c=\n")
            file.flush()
            with Daemon("pubsub", "--auth-token-file=" + file.name) as daemon:
                self.assertEqual(get(daemon.url("/")).status, 401)
                page = self.open_listening(daemon, "/?token=a%2Bb%2Fc%3D")
                page.write("#publish_text", "secret")
                page.click("#publish_form button[type=submit]")
                self.wait_for_tail(page, ["secret"])
                for target in page.evaluate("[...document.querySelectorAll('footer a')].map((a) => a.href)"):
                    self.assertEqual(get(target).status, 200, target)
                self.assertEqual(page.problems(), [])

    def test_without_a_script_error_on_a_phone_and_in_the_dark(self):
        with Daemon("pubsub") as daemon:
            page = self.open_listening(daemon, width=390, height=844, phone=True, dark=True)
            post(daemon.url("/pub"), b'{"long":"' + b"x" * 3000 + b'"}')
            page.wait_for("document.querySelectorAll('#tail code').length === 1")
            page.wait_for("document.querySelector('#clients tr')")
            # Nothing sticks out: the page is not wider than the phone.
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
            with tempfile.NamedTemporaryFile(suffix=".png") as file:
                page.screenshot(file.name, whole=False)
                width, height, step, rows = pixels(file.name)
            self.assertEqual((width, height), (780, 1688))
            dark = sum(1 for row in rows[::20] for x in range(0, width, 20)
                       if sum(row[x * step:x * step + 3]) < 3 * 80)
            self.assertGreater(dark, 0.8 * len(rows[::20]) * len(range(0, width, 20)))
            self.assertEqual(page.problems(), [])


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


class LivePageTest(PageTest):
    """examples/live_page: a page of another origin."""

    def test_a_page_of_another_origin_shows_what_is_published_and_catches_up(self):
        program_path("pubsub")
        with tempfile.TemporaryDirectory() as folder:
            def output():
                with open(os.path.join(folder, "out"), encoding="utf-8") as file:
                    return file.read()

            with open(os.path.join(folder, "out"), "wb") as out:
                run = subprocess.Popen(
                    [os.path.join(ROOT, "examples", "live_page", "run.sh")], stdout=out,
                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=folder,
                    env={**os.environ, "RIVULET_BIN_DIR": BIN_DIR, "PUBSUB_PORT": "0", "PAGE_PORT": "0",
                         "PYTHON": sys.executable})
            try:
                wait_until(lambda: "open " in output(), 30, "the announcement of run.sh")
                pubsub = re.search("^publish to (.*)$", output(), re.MULTILINE).group(1)
                page = self.open(re.search("^open (.*)$", output(), re.MULTILINE).group(1))
                page.wait_for("document.querySelector('#state').textContent === 'listening'")
                post(pubsub + "/pub?topic=live", b"<b>one</b>")
                page.wait_for("document.querySelector('#messages li')")
                with open(os.path.join(folder, "live_page_data", "pubsub.pid"), encoding="ascii") as file:
                    os.kill(int(file.read()), signal.SIGKILL)  # a child of the run.sh started here
                page.wait_for("document.querySelector('#state').textContent === 'pubsub is away'")
                wait_until(lambda: "starting it again" in output(), 30, "a second pubsub")

                def published():
                    try:
                        return post(pubsub + "/pub?topic=live", b"two\nthree\n").status == 200
                    except OSError:
                        return False
                wait_until(published, 30, "publishing to the second pubsub")
                page.wait_for("document.querySelectorAll('#messages li').length === 3", timeout=30)
                self.assertEqual(page.texts("#messages li"), ["<b>one</b>", "two", "three"])
            finally:
                run.terminate()
                self.assertEqual(run.wait(30), 0, output())


class PolicyTest(PageTest):
    """The browser refuses what the pages promise not to have: the tests above would see it."""

    def test_an_inline_script_and_a_style_attribute_are_refused_and_seen(self):
        with Daemon("simplequeue") as daemon:
            page = self.open_live(daemon.url("/"))
            page.evaluate("""(() => {
              const script = document.createElement('script');
              script.textContent = 'window.ran = true';
              document.body.append(script);
              document.body.setAttribute('style', 'color: red');
              return fetch('http://127.0.0.1:1/').catch(() => 0);
            })()""")
            self.assertIsNone(page.evaluate("window.ran ?? null"))
            refused = [p for p in page.problems() if p.startswith("policy: ")]
            for directive in ("script-src", "style-src", "connect-src"):
                self.assertTrue(any(directive in p for p in refused), (directive, refused))


if __name__ == "__main__":
    unittest.main()
