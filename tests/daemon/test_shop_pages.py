"""The shop's pages: whatever is lost, it still shows a picture; a browser's visit and click are counted."""

import os
import socket
import subprocess
import sys
import threading
import time
import unittest
import xml.dom.minidom

from harness import ROOT, Daemon, Sink, get, wait_until
from redis_server import RedisServer
from shop_case import example, featured, server, shop_daemon

sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
from chromium import Chromium, chromium_path  # noqa: E402

LONG = True
WAITS = True
# Chromium without a window says so, and is taken for the program that it is.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


class PagesTest(unittest.TestCase):
    """The page server alone, and with APIs that fail."""

    def test_pictures_are_the_same_each_time_and_all_different(self):
        with shop_daemon("--pictures=40") as first, shop_daemon("--pictures=40") as second:
            ids = get(first.url("/catalogue")).json()
            self.assertEqual((len(ids), len(set(ids))), (40, 40))
            listed = subprocess.run([example("shop"), "--list", "--pictures=40"], capture_output=True,
                                    text=True)
            self.assertEqual(listed.stdout.split(), ids)
            drawn = {}
            for item in ids:
                answer = get(first.url("/picture/%s.svg" % item))
                self.assertEqual((answer.status, answer.header("Content-Type")), (200, "image/svg+xml"))
                self.assertEqual(answer.body, get(second.url("/picture/%s.svg" % item)).body)
                self.assertEqual(xml.dom.minidom.parseString(answer.body).documentElement.tagName, "svg")
                drawn[answer.body] = item
            self.assertEqual(len(drawn), 40)

    def test_the_front_page_is_links_and_pictures_without_any_script(self):
        with Sink(lambda *_: (200, b'{"items":[{"item":"moss-bay","draw":0.1}],"round":7}')) as api:
            with shop_daemon("--api=" + api.url(), "--collector=http://127.0.0.1:9") as shop:
                page = get(shop.url("/"))
                self.assertEqual((page.status, featured(page)), (200, "moss-bay"))
                self.assertEqual(page.header("X-Pick"), "bandit")
                self.assertEqual(page.text.count('href="/picture/moss-bay#/?source=top_pick&amp;round=7"'), 2)
                self.assertEqual(page.text.count('class="card"'), 9)
                self.assertIn("script-src 'self' http://127.0.0.1:9;", page.header("Content-Security-Policy"))
                self.assertNotIn("unsafe", page.header("Content-Security-Policy"))
                self.assertEqual(get(shop.url("/pick")).json(),
                                 {"item": "moss-bay", "round": 7, "source": "bandit"})
                self.assertEqual(api.requests[0].target, "/item?format=json")
                self.assertIn("Moss Bay", get(shop.url("/picture/moss-bay")).text)

    def test_what_is_no_picture_is_not_found(self):
        with shop_daemon() as shop:
            for path in ("/picture/", "/picture/nothing", "/picture/nothing.svg", "/picture/../pick",
                         "/picture/%3Cscript%3Ealert(1)%3C/script%3E"):
                answer = get(shop.url(path))
                self.assertEqual(answer.status, 404, path)
                self.assertNotIn("alert", answer.text)

    def test_an_api_that_talks_nonsense_is_not_believed(self):
        for body in (b'{"items":[{"item":"<script>alert(1)</script>"}]}', b'{"items":[]}', b"moss-bay",
                     b'{"items":"moss-bay"}', b'{"items":[{"item":7}]}', b"[" * 1000, b""):
            with self.subTest(body=body), Sink(lambda *_, body=body: (200, body)) as api:
                with shop_daemon("--api=" + api.url()) as shop:
                    page = get(shop.url("/"))
                    self.assertEqual((page.status, page.header("X-Pick")), (200, "random"))
                    self.assertIn(featured(page), get(shop.url("/catalogue")).json())
                    self.assertNotIn("alert(1)", page.text)

    def test_an_api_that_hangs_is_asked_by_one_at_a_time_and_nobody_waits_for_it(self):
        asked, answered = [], []
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(100)

            def accept():
                while True:
                    try:
                        asked.append(silent.accept()[0])
                    except OSError:
                        return

            def visit(url):
                while time.monotonic() < begin + 1.2:
                    answered.append(get(url).header("X-Pick"))

            threading.Thread(target=accept, daemon=True).start()
            with shop_daemon("--api=http://127.0.0.1:%d" % silent.getsockname()[1],
                             "--api-timeout=200ms") as shop:
                visitors = [threading.Thread(target=visit, args=(shop.url("/pick"),)) for _ in range(16)]
                begin = time.monotonic()
                for visitor in visitors:
                    visitor.start()
                for visitor in visitors:
                    visitor.join()
                took = time.monotonic() - begin
            silent.shutdown(socket.SHUT_RDWR)
            for connection in asked:
                connection.close()
        self.assertEqual(set(answered), {"random"})
        # All of the first moment; from then on one in each 200 ms.
        self.assertLessEqual(len(asked), 16 + took / .2 + 1)

    def test_an_api_that_hangs_delays_a_page_by_its_timeout_and_the_next_ones_not_at_all(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            with shop_daemon("--api=http://127.0.0.1:%d" % silent.getsockname()[1],
                             "--api-timeout=50ms") as shop:
                for _ in range(20):
                    page = get(shop.url("/"))
                    self.assertEqual((page.status, page.header("X-Pick")), (200, "random"))
                self.assertEqual(shop.stderr().count("chosen at random"), 1)


class BrowserTest(unittest.TestCase):
    """From a click in a real browser to the counters in a real Redis."""

    def setUp(self):
        chromium_path()
        ids = subprocess.run([example("shop"), "--list"], capture_output=True, text=True,
                             check=True).stdout.split()
        stack = self.enterContext
        self.redis = stack(RedisServer())
        self.queue = stack(Daemon("simplequeue"))
        self.collector = stack(server(
            "collector", "--mapping=" + os.path.join(ROOT, "examples/shop/shop.mapping"),
            "--allow-origin=*", "--destination-post-url=" + self.queue.url("/mput")))
        self.bandit = stack(server(
            "bandit", "--store=" + self.redis.url, "--source=" + self.queue.url(),
            "--sleeptime-queue-empty=20ms", "--task=bandit:items=%s,refresh=0" % "+".join(ids)))
        self.shop = stack(shop_daemon("--api=" + self.bandit.url(), "--collector=" + self.collector.url()))
        wait_until(lambda: get(self.bandit.url("/item")).status == 200, what="a filled set")
        self.browser = stack(Chromium())

    def visit(self, page):
        """Loads the front page as a person does; the item that it features."""
        page.command("Network.setUserAgentOverride", userAgent=PERSON)
        page.go(self.shop.url("/"))
        return page.evaluate("document.querySelector('#featured').dataset.item")

    def see_picture(self, page):
        """The featured picture is there for the eye."""
        page.wait_for("document.querySelector('#featured img').naturalWidth > 0")
        self.assertGreater(page.evaluate("document.querySelector('#featured img').clientWidth"), 300)

    def counted(self, field):
        return int(self.redis.hash("items").get(field, 0))

    def test_a_visit_and_a_click_are_counted_and_a_lost_service_is_no_broken_page(self):
        # What says that it is no person teaches nothing.
        page = self.browser.open(self.shop.url("/"))
        wait_until(lambda: get(self.collector.url("/stats?format=json")).json()["bots"] == 2,
                   what="a page view and an impression of a bot")
        item = self.visit(page)
        self.see_picture(page)
        wait_until(lambda: self.counted("i|" + item) == 2, what="the impression in Redis")
        self.assertEqual(self.counted("c|" + item), 1)
        page.click("#featured .button")
        page.wait_for("location.pathname === '/picture/%s'" % item)
        wait_until(lambda: self.counted("c|" + item) == 2, what="the click in Redis")
        # A reload of the picture's page is another page view, and no click.
        page.wait_for("location.hash === ''")
        taken = get(self.collector.url("/stats?format=json")).json()["events"]
        page.command("Page.reload")
        wait_until(lambda: get(self.collector.url("/stats?format=json")).json()["events"] == taken + 1,
                   what="the page view of the reload")
        state = self.redis.hash("items:bandit")
        self.assertEqual([state[name] for name in ("impressions", "clicks", "counted_impressions",
                                                   "counted_clicks")], ["1"] * 4)
        self.assertEqual(sum(int(n) for n in self.redis.hash("items").values()), 10 + 10 + 2)
        # A click on another picture of the page is none on the pick.
        page.go(self.shop.url("/"))
        page.click(".card")
        page.wait_for("location.pathname.startsWith('/picture/')")
        wait_until(lambda: self.redis.hash("items:bandit")["impressions"] == "2", what="the next visit")
        self.assertEqual(self.redis.hash("items:bandit")["clicks"], "1")
        arms = wait_until(lambda: [a for a in get(self.bandit.url("/arms?format=json")).json()["arms"]
                                   if a["item"] == item and a["clicks"] == 2], what="the click at /arms")
        self.assertGreaterEqual(arms[0]["impressions"], 2)
        self.assertEqual(page.problems(), [])

        # Redis is lost: the last known arms choose.
        self.redis.kill()
        self.visit(page)
        self.see_picture(page)
        self.assertEqual(get(self.shop.url("/")).header("X-Pick"), "bandit")
        self.assertEqual(page.problems(), [])
        # The API is lost, too: any picture.
        self.bandit.kill()
        self.visit(page)
        self.see_picture(page)
        self.assertEqual(get(self.shop.url("/")).header("X-Pick"), "random")
        self.assertEqual(page.problems(), [])
        # And the collector: its script does not come, and nothing else is wrong.
        self.collector.kill()
        page.command("Network.clearBrowserCache")
        self.visit(page)
        self.see_picture(page)
        page.click("#featured .picture")
        page.wait_for("location.pathname.startsWith('/picture/')")
        page.wait_for("document.querySelector('article img').naturalWidth > 0")
        for problem in page.problems():
            self.assertRegex(problem, r"^network: .*CONNECTION_(REFUSED|RESET) .*/(collector\.js|event)")


if __name__ == "__main__":
    unittest.main()
