"""The live page of a bandit's arms in a real browser."""

from harness import Daemon, get
from page_case import LIVE, PageTest, cells, setUpModule, tearDownModule  # noqa: F401
from redis_server import RedisServer

LONG = True

EVIL = '"><img src=x onerror=alert(1)><script>alert(2)</script>'


class ArmsPageTest(PageTest):
    def test_arms_are_shown_as_they_learn_and_while_the_store_is_away(self):
        with RedisServer() as redis:
            redis.ask("HSET", "items", "c|" + EVIL, 11, "i|" + EVIL, 101, "c|b", 2, "i|b", 51)
            redis.ask("HSET", "items:bandit", "round", 2, "impressions", 150, "clicks", 11,
                      "counted_impressions", 150, "counted_clicks", 11)
            redis.ask("HSET", "items:history", 2, '{"round":2,"kept":["<b>k</b>"],"rate":0.25}')
            bandit = Daemon("bandit", "--store=" + redis.url, "--refresh=50ms")
            self.addCleanup(bandit.kill)
            page = self.open_live(bandit.url("/"))
            page.wait_for("document.querySelector('#arms_link')")
            page.click("#arms_link")
            page.wait_for("location.pathname === '/arms'")
            page.wait_for(LIVE)
            page.wait_for("document.querySelectorAll('#arms tr').length === 2")
            self.assertEqual(cells(page, "#arms", EVIL)[:4], [EVIL, "100", "10", "10.00 %"])
            self.assertEqual(page.evaluate("document.querySelectorAll('#arms img, main script')"
                                           ".length"), 0)
            self.assertEqual(page.evaluate("document.querySelectorAll('#curves .curve').length"), 2)
            self.assertIn("kept 1: <b>k</b> · rate 25.0 %", page.text("#history"))
            redis.ask("HINCRBY", "items", "i|b", 50)
            for _ in range(20):
                get(bandit.url("/item"))
            page.wait_for("document.querySelectorAll('#arms tr')[1].children[1]"
                          ".textContent === '100'")
            redis.kill()
            page.wait_for("document.querySelector('#store').textContent"
                          ".includes('Picks are drawn from what was known')")
            self.assertEqual(page.evaluate("document.querySelectorAll('#arms tr').length"), 2)
            redis.start()
            page.wait_for("document.querySelector('#store').textContent.includes('has lost')")
            self.assertEqual(page.evaluate("document.querySelectorAll('#arms tr').length"), 2)
            redis.ask("HSET", "items", "c|new", 1, "i|new", 1)
            page.wait_for("document.querySelectorAll('#arms tr').length === 1")
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"),
                                 page.evaluate("window.innerWidth"))
            self.assertEqual(page.problems(), [])
            bandit.stop()


if __name__ == "__main__":
    import unittest

    unittest.main()
