"""The bandit's API on a real Redis: what is answered, byte for byte, whatever the store holds."""

import json
import re
import time
import unittest
import urllib.parse

from harness import Connection, Daemon, get, raw_request, request, wait_until
from redis_server import RedisServer

SANITIZED = True

HOSTILE = ['"><script>alert(1)</script>', "two\nlines", "a,b", "'; DROP", "\\u0000", "\x7f\x01",
           "ümlaut ☃", "{\"item\":1}", "x" * 256, "c|i|", " "]


def item(base, query="", headers=None):
    return get(base + "/item" + query, headers=headers)


class BanditApiTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.redis = cls.enterClassContext(RedisServer())

    def setUp(self):
        self.redis.ask("FLUSHALL")

    def fill(self, counters, **state):
        """counters: {id: (clicks, impressions)}"""
        words = []
        for name, (clicks, impressions) in counters.items():
            words += ["c|" + name, clicks, "i|" + name, impressions]
        if words:
            self.redis.ask("HSET", "items", *words)
        for name, value in state.items():
            self.redis.ask("HSET", "items:bandit", name, value)

    def bandit(self, *args, refresh="0"):
        daemon = Daemon("bandit", "--store=" + self.redis.url, "--refresh=" + refresh, *args)
        self.addCleanup(daemon.kill)
        return daemon

    def test_an_item_is_answered_as_text_lines_or_json_with_where_it_is_from(self):
        self.fill({"good": (100000, 100000), "bad": (1, 100000)}, round=7)
        with self.bandit() as bandit:
            base = bandit.url()
            one = item(base)
            self.assertEqual((one.status, one.body), (200, b"good"))
            self.assertEqual(one.header("X-Arms"), "current")
            self.assertRegex(one.header("X-Arms-Age"), r"^\d+\.\d{3}$")
            self.assertEqual(one.header("X-Round"), "7")
            self.assertEqual(one.header("Cache-Control"), "no-store")
            self.assertEqual(one.header("Content-Type"), "text/plain; charset=utf-8")
            self.assertEqual(item(base, "?n=3").body, b"good\nbad\n")
            self.assertEqual(item(base, "?n=1&exclude=good,nobody").body, b"bad\n")
            for answer in (item(base, "?n=2&format=json"),
                           item(base, "?n=2", headers={"Accept": "application/json"})):
                self.assertRegex(answer.body.decode(), re.compile(
                    r'\A\{"items":\[\{"item":"good","draw":[0-9.]+\},'
                    r'\{"item":"bad","draw":[0-9.]+\}\],'
                    r'"round":7,"policy":"thompson","arms":"current"\}\n\Z'))
            bandit.stop()

    def test_head_and_pipelines_look_and_change_nothing(self):
        self.fill({"only": (1, 1)})
        before = self.redis.hash("items")
        with self.bandit() as bandit:
            head = request("HEAD", bandit.url("/item"))
            self.assertEqual((head.status, head.body), (200, b""))
            self.assertEqual(head.header("Content-Length"), "4")
            ask = b"GET /item?n=%d HTTP/1.1\r\nHost: h\r\n\r\n"
            many = raw_request(bandit.port, b"".join(ask % (n % 3) for n in range(60)), count=60)
            for n, answer in enumerate(many):
                if n % 3 == 0:
                    self.assertEqual((answer.status, answer.body), (
                        400, b"n=0: must be a whole number from 1 to 100\n"))
                else:
                    self.assertEqual((answer.status, answer.body), (200, b"only\n"))
            self.assertEqual(get(bandit.url("/arms")).json()["picks"], 40)
            post = request("POST", bandit.url("/item"), body=b"")
            self.assertEqual(post.status, 405)
            self.assertIn("GET, HEAD", post.header("Allow"))
            bandit.stop()
        self.assertEqual(self.redis.hash("items"), before)

    def test_without_arms_the_fallback_answers_and_without_one_503(self):
        with self.bandit() as plain, self.bandit("--fallback=spare") as spare:
            away = item(plain.url())
            self.assertEqual((away.status, away.header("X-Arms")), (503, "none"))
            self.assertEqual(away.body, b"the set of items is empty: let the task bandit fill it, "
                             b"or give --fallback=ID\n")
            self.assertEqual(away.header("Retry-After"), "1")
            self.assertEqual(item(plain.url(), "?format=json").json()["arms"], "none")
            answer = item(spare.url(), "?format=json")
            self.assertEqual(answer.body, b'{"items":[{"item":"spare"}],"round":0,'
                             b'"policy":"thompson","arms":"fallback"}\n')
            self.assertEqual(answer.header("X-Arms"), "fallback")
            self.fill({"a": (1, 1)})
            self.assertEqual(item(plain.url()).body, b"a")
            excluded = item(spare.url(), "?exclude=a")
            self.assertEqual((excluded.body, excluded.header("X-Arms")), (b"spare", "fallback"))
            metrics = get(spare.url("/metrics")).text
            self.assertIn("\nrivulet_bandit_fallback_total 2\n", metrics)
            self.assertIn("\nrivulet_bandit_picks_total 0\n", metrics)
            plain.stop()
            spare.stop()

    def test_whatever_an_id_holds_answers_stay_what_they_are(self):
        with self.bandit() as bandit:
            for name in HOSTILE:
                with self.subTest(name=name):
                    self.redis.ask("FLUSHALL")
                    self.fill({name: (2, 10)})
                    text = item(bandit.url())
                    self.assertEqual(text.body, name.encode())
                    self.assertEqual(text.header("X-Content-Type-Options"), "nosniff")
                    self.assertEqual(item(bandit.url(), "?format=json").json()["items"][0]["item"],
                                     name)
                    self.assertEqual(get(bandit.url("/arms")).json()["arms"][0]["item"], name)
                    picture = get(bandit.url("/arms?format=svg"))
                    self.assertEqual(picture.header("Content-Type"), "image/svg+xml; charset=utf-8")
                    self.assertIn("sandbox", picture.header("Content-Security-Policy"))
                    self.assertNotIn(b"<script", picture.body)
                    if "," not in name:
                        excluded = urllib.parse.quote(name, safe="")
                        self.assertEqual(item(bandit.url(), "?exclude=" + excluded).status, 503)
            self.redis.ask("FLUSHALL")
            self.fill({"two\nlines": (2, 10)})
            self.assertEqual(item(bandit.url(), "?n=1").status, 409)
            bandit.stop()

    def test_ten_thousand_arms_are_drawn_from_and_the_best_are_shown(self):
        names = ["<b>%d</b>" % n for n in range(9999)]
        self.fill({name: (1 + n % 7, 1000) for n, name in enumerate(names)})
        self.fill({"best": (999, 1000)})
        with self.bandit(refresh="50ms") as bandit:
            wait_until(lambda: item(bandit.url()).status == 200)
            self.assertEqual(item(bandit.url()).body, b"best")
            picked = item(bandit.url(), "?n=100").text.split("\n")
            self.assertEqual((len(set(picked)), picked[-1]), (101, ""))
            self.assertEqual(item(bandit.url(), "?n=101").status, 400)
            shown = get(bandit.url("/arms")).json()
            self.assertEqual((shown["arms_total"], len(shown["arms"])), (10000, 100))
            self.assertEqual(shown["arms"][0]["item"], "best")
            self.assertEqual(len(get(bandit.url("/arms?n=5")).json()["arms"]), 5)
            self.assertIn("the best 12 of 10000 arms", get(bandit.url("/arms?format=svg")).text)
            bandit.stop()

    def test_a_browser_gets_the_page_and_others_what_is_known(self):
        self.fill({"a": (3, 21), "b": (1, 1)}, round=2, impressions=30, clicks=4,
                  counted_impressions=20, counted_clicks=2)
        self.redis.ask("HSET", "items:history", 2, '{"round":2,"kept":["a"],"new":["<i>"]}')
        self.redis.ask("SET", "experiments", 20)
        with self.bandit("--policy=ucb1", refresh="30ms") as bandit:
            wait_until(lambda: get(bandit.url("/arms")).json()["state"] == "current")
            known = get(bandit.url("/arms")).json()
            self.assertEqual([known[name] for name in ("policy", "round", "experiments",
                                                       "impressions", "clicks", "late", "status")],
                             ["ucb1", 2, 20, 30, 4, 12, "ok"])
            b, a = known["arms"]
            self.assertEqual((b["item"], b["mean"], b["rate"]), ("b", 0.5, None))
            self.assertEqual((a["clicks"], a["impressions"], a["rate"]), (3, 21, 0.1))
            self.assertEqual(known["history"], [{"round": 2, "kept": ["a"], "new": ["<i>"]}])
            page = get(bandit.url("/arms"), headers={"Accept": "text/html,*/*"})
            self.assertIn("<title>bandit arms</title>", page.text)
            self.assertIn("default-src 'none'", page.header("Content-Security-Policy"))
            self.assertEqual(get(bandit.url("/page/arms.js")).status, 200)
            with Connection(bandit.port) as foreign:
                foreign.send(b"GET /arms HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\n\r\n")
                self.assertEqual(foreign.read_response().status, 400)
            bandit.stop()

    def test_a_set_that_is_replaced_under_many_readers_is_never_answered_torn(self):
        sets = [["a%d" % n for n in range(10)], ["b%d" % n for n in range(10)]]
        with self.bandit(refresh="1ms") as bandit, Connection(bandit.port) as reader:
            seen = set()
            end = time.monotonic() + 1.0
            swap = 0
            while time.monotonic() < end or len(seen) < 2:
                words = [word for name in sets[swap % 2] for word in ("c|" + name, 1, "i|" + name, 1)]
                script = "redis.call('DEL','items') redis.call('HSET','items',unpack(ARGV))"
                self.redis.ask("EVAL", script, 0, *words)
                swap += 1
                for _ in range(10):
                    answer = reader.request("GET", "/item?n=20")
                    if answer.status == 503:
                        continue  # nothing has been read yet
                    kinds = {name[0] for name in answer.text.split()}
                    self.assertEqual((len(kinds), len(answer.text.split())), (1, 10), answer.text)
                    seen |= kinds
                self.assertLess(time.monotonic(), end + 20)
            bandit.stop()

    def test_wrong_options_say_what_would_be_right(self):
        for args, says in [
                (["--policy=best"], "--policy=best: must be "),
                (["--policy=lin-ucb"], "--policy=lin-ucb: must come with --features=a+b"),
                (["--features=a"], "--features=a: must come with --policy=lin-ucb or "),
                (["--policy=lin-ucb", "--features=a+a"], "must be up to 15 different names"),
                (["--epsilon=2"], "--epsilon=2: must be a number from 0 to 1"),
                (["--fallback="], "--fallback=: must not be empty"),
                (["--max-items=0"], "--max-items=0: must be a whole number from 1 to 1000")]:
            with self.subTest(args=args):
                daemon = Daemon("bandit", "--store=" + self.redis.url, *args, listens=False)
                self.addCleanup(daemon.kill)
                self.assertEqual(daemon.wait(), 2)
                self.assertIn(says, daemon.stderr())
                self.assertEqual(daemon.stderr().count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
