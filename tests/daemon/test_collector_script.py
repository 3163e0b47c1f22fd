"""collector.js in a real browser, on a page of another site than the collector's."""

import os
import re
import sys
import unittest

from collector_case import CollectorCase
from harness import ROOT, get, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
from chromium import Chromium  # noqa: E402

MAPPING = """
type = type
party = party
session = session
page = page
id = id
url = location
referer = referer
viewport.w = viewport.width
viewport.h = viewport.height
screen.w = screen.width
clock = client_time
time = time
item = param.item
"""
ID = re.compile(r"[0-9a-f]{24}")
EARLY = "window.rivulet = window.rivulet || {q: [], signal(...a) { this.q.push(a) }};"


class Script(CollectorCase):
    def test_it_is_small_and_may_be_loaded_by_any_page(self):
        answer = get(self.start().url("/collector.js"))
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.header("Content-Type").startswith("text/javascript"))
        self.assertEqual(answer.header("Cache-Control"), "max-age=3600")
        self.assertEqual(answer.header("Cross-Origin-Resource-Policy"), "cross-origin")
        self.assertLessEqual(len(answer.body), 2048)
        with open(os.path.join(ROOT, "collector", "collector.js"), "rb") as source:
            self.assertEqual(answer.body, source.read())


class Browser(CollectorCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.pages = {}
        site = self.destination(lambda method, target, body: (
            200, self.pages.get(target.split("?")[0], "").encode(), {"Content-Type": "text/html"}))
        # Not the collector's host: cookies know no ports.
        self.site = "http://localhost:%d" % site.port
        self.collector = self.start("--allow-origin=" + self.site, path="/mput", mapping=MAPPING)

    def page(self, before="", attributes=""):
        self.pages["/shop"] = ("<!doctype html><title>shop</title><script>%s</script>"
                               "<script src='%s' defer %s></script><a href='/shop?2'>next</a>"
                               % (before, self.collector.url("/collector.js"), attributes))
        page = self.browser.open(self.site + "/shop#/?source=top_pick")
        self.addCleanup(page.close)
        self.addCleanup(page.command, "Network.clearBrowserCookies")
        return page

    def test_a_page_view_and_a_signal_arrive_with_their_ids(self):
        page = self.page(EARLY + "rivulet.signal('early', {item: '0'});")
        page.evaluate("rivulet.signal('impression', {item: '7'})")
        view, early, impression = self.await_messages(3)
        self.assertEqual([m["type"] for m in (view, early, impression)], ["page_view", "early", "impression"])
        self.assertEqual((early["item"], impression["item"]), ("0", "7"))
        self.assertEqual(view["url"], self.site + "/shop#/?source=top_pick")
        self.assertEqual((view["viewport"]["w"], view["screen"]["w"]), (1280, page.evaluate("screen.width")))
        self.assertLess(abs(view["clock"] - view["time"]), 60_000)
        for name in ("party", "session", "page"):
            self.assertEqual(len({m[name] for m in (view, early, impression)}), 1)
        for name in ("party", "session", "page", "id"):
            self.assertRegex(view[name], ID)
        self.assertEqual(len({m["id"] for m in (view, early, impression)}), 3)
        # The next page of the visit: the same visitor and visit, another view.
        page.click("a")
        after = self.await_messages(4)[3]
        self.assertEqual((after["party"], after["session"]), (view["party"], view["session"]))
        self.assertNotEqual(after["page"], view["page"])
        self.assertTrue(after["referer"].startswith(self.site))
        self.assertEqual(page.problems(), [])

    def test_its_two_cookies_are_the_pages_own_and_lax(self):
        page = self.page()
        view, = self.await_messages(1)
        cookies = {c["name"]: c for c in page.command("Network.getAllCookies")["cookies"]}
        self.assertEqual(sorted(cookies), ["rivulet_party", "rivulet_session"])
        for name, seconds in (("party", 2 * 365 * 86400), ("session", 1800)):
            cookie = cookies["rivulet_" + name]
            self.assertEqual((cookie["value"], cookie["domain"], cookie["sameSite"], cookie["path"]),
                             (view[name], "localhost", "Lax", "/"))
            # A browser may keep one for 400 days at most.
            self.assertLess(abs(cookie["expires"] - view["time"] / 1000 - min(seconds, 400 * 86400)), 120)

    def test_without_send_beacon_a_pixel_brings_the_event(self):
        for before in ("Navigator.prototype.sendBeacon = undefined;",
                       "Navigator.prototype.sendBeacon = () => false;"):
            seen = len(self.messages())
            page = self.page(before, "data-pageview='off'")
            page.evaluate("rivulet.signal('impression', {item: '7 & \"ü\"'})")
            message = self.await_messages(seen + 1)[seen]
            self.assertEqual((message["type"], message["item"]), ("impression", '7 & "ü"'))
            self.assertEqual(message["url"], self.site + "/shop#/?source=top_pick")
            page.evaluate("rivulet.signal('bare')")
            self.assertEqual(self.await_messages(seen + 2)[seen + 1]["type"], "bare")
            self.assertEqual(page.problems(), [])

    def test_a_long_url_and_a_long_cookie_cost_no_event_and_a_wrong_call_no_page(self):
        page = self.page("document.cookie = 'rivulet_party=%s;path=/';" % ("x" * 65), "data-pageview='off'")
        page.evaluate("location.hash = 'y'.repeat(9000)")
        page.evaluate("rivulet.signal('long', {item: '1'})")
        message, = self.await_messages(1)
        self.assertEqual(message["url"], (self.site + "/shop#" + "y" * 9000)[:8000])
        self.assertEqual(message["party"], "x" * 64)
        # Nothing of these can be sent; the page's own script goes on behind each of them.
        page.evaluate("location.hash = ''")
        for wrong in ("const o = {}; o.o = o; rivulet.signal('a', o)", "rivulet.signal('b', {n: 1n})",
                      "rivulet.signal('c', {item: 'z'.repeat(70000)})"):
            self.assertEqual(page.evaluate("(() => { %s; return 'well' })()" % wrong), "well")
        page.evaluate("rivulet.signal('after', {item: '2'})")
        self.assertEqual([m["type"] for m in self.await_messages(2)], ["long", "after"])
        self.assertEqual([p for p in page.problems() if "414" in p], [])

    def test_who_asks_not_to_be_tracked_sends_nothing_where_the_page_honours_that(self):
        asks = ("Object.defineProperty(Navigator.prototype, 'doNotTrack', {get: () => '1'});",
                "Object.defineProperty(Navigator.prototype, 'globalPrivacyControl', {get: () => true});")
        for before in asks:
            page = self.page(before, "data-dnt='honour'")
            page.evaluate("rivulet.signal('impression', {item: '7'})")
            self.assertEqual(page.command("Network.getAllCookies")["cookies"], [])
        # A page that does not say so goes on; what comes now comes behind all that was sent.
        self.page(asks[0])
        wait_until(lambda: self.stats(self.collector)["events"] > 0, 20)
        self.assertEqual([m["type"] for m in self.await_messages(1)], ["page_view"])


if __name__ == "__main__":
    unittest.main()
