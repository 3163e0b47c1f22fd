"""The page of pubsub in a real browser: what it shows, publishing from it, and that it goes on by itself
when the daemon comes back."""

import struct
import tempfile
import unittest
import zlib

from harness import Daemon, get, post, wait_until
from page_case import AWAY, LIVE, PageTest, cells, setUpModule, tearDownModule  # noqa: F401

LONG = True
WAITS = True
LISTENING = "document.querySelector('#tail_state').textContent.startsWith('listening')"


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


if __name__ == "__main__":
    unittest.main()
