"""The shop and its bandit: a simulated day adds up, a browser's visit and click are counted, and whatever is
lost, the shop still shows a picture."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import xml.dom.minidom

from harness import BIN_DIR, ROOT, Daemon, Sink, get, program_path, wait_until
from redis_server import RedisServer

sys.path.insert(0, os.path.join(ROOT, "tests", "browser"))
from chromium import Chromium, chromium_path  # noqa: E402

EXAMPLES_DIR = os.path.abspath(
    os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(ROOT, "build/release/examples")))
DEMO = os.path.join(ROOT, "examples/shop/demo.sh")
PICTURES = ("morning", "noon", "evening", "night")
LONG = True
WAITS = True
# Chromium without a window says so, and is taken for the program that it is.
PERSON = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"


def example(name):
    path = os.path.join(EXAMPLES_DIR, "shop", name)
    if not os.path.exists(path):
        raise unittest.SkipTest("%s is not built" % path)
    return path


def server(name, *args):
    return Daemon(name, "--port=0", *args, listens=True)


def shop_daemon(*args):
    return server(example("shop"), *args)


def featured(answer):
    """The item that a front page features."""
    return re.search(r'<section id="featured" data-item="([^"]*)"', answer.text).group(1)


class DayTest(unittest.TestCase):
    """examples/shop/demo.sh, small."""

    def setUp(self):
        for name in ("pubsub", "simplequeue", "ps_to_http", "collector", "bandit"):
            program_path(name)
        example("shop")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())
        self.out = os.path.join(self.folder, "pictures")

    def environment(self, **more):
        return {**os.environ, "RIVULET_BIN_DIR": BIN_DIR, "RIVULET_EXAMPLES_DIR": EXAMPLES_DIR,
                "OUT": self.out, "TMPDIR": self.folder, **more}

    def play(self, *args, **more):
        return subprocess.run([DEMO, *args], capture_output=True, text=True, timeout=120,
                              env=self.environment(**more))

    def rounds(self, run):
        return int(re.search(r"round (\d+)", run.stdout + "round 0").group(1))

    def play_a_day(self, seconds, rounds=0, **more):
        """A longer one where the machine stood still for most of it, and the bandit chose for nobody."""
        for longer in (1, 6, 36):
            run = self.play("--seconds=%d" % (seconds * longer), **more)
            if run.returncode == 0 and self.rounds(run) >= rounds:
                break
        return run

    def check_sums(self, run, visitors):
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        match = re.search(r"(?m)^(\d+) impressions and (\d+) clicks sent; (\d+) learned, (\d+) late, 0 lost$",
                          run.stdout)
        self.assertIsNotNone(match, run.stdout)
        impressions, clicks, learned, late = map(int, match.groups())
        self.assertEqual(impressions, visitors)
        self.assertEqual(impressions + clicks, learned + late)
        return clicks, late

    def test_every_event_of_a_day_is_learned_and_the_day_is_drawn(self):
        run = self.play_a_day(2, VISITORS="500")
        clicks, late = self.check_sums(run, 500)
        self.assertEqual(late, 0)
        # Rates are .024 to .12: less than 2 or more than 95 of 500 are beyond five standard errors.
        self.assertTrue(2 <= clicks <= 95, run.stdout)
        shown = re.findall(r"(?m)^  [a-z-]+ +[\d.]+ % +(\d+) +(\d+)", run.stdout)
        self.assertEqual(len(shown), 10, run.stdout)
        self.assertEqual([sum(map(int, column)) for column in zip(*shown)], [500, clicks])
        self.assertEqual(sorted(os.listdir(self.out)),
                         sorted(["index.html", *(name + ".svg" for name in PICTURES)]))
        for name in PICTURES:
            with open(os.path.join(self.out, name + ".svg"), encoding="utf-8") as file:
                self.assertEqual(xml.dom.minidom.parse(file).documentElement.tagName, "svg")

    def test_a_day_with_refreshes_in_a_redis_adds_up(self):
        if not shutil.which("redis-server"):
            self.skipTest("redis-server is not installed")
        run = self.play_a_day(1, rounds=3, VISITORS="400", STORE="redis", REFRESH="100")
        self.check_sums(run, 400)
        self.assertGreaterEqual(self.rounds(run), 3, run.stdout)

    def test_a_wrong_setting_is_named(self):
        for setting, args in ((("STORE", "drawer"), ()), (("VISITORS", "many"), ()),
                              (("SEED", "1"), ("--colour=red",)), (("SEED", "1"), ("--seconds=0",))):
            with self.subTest(setting=setting, args=args):
                run = self.play(*args, **dict([setting]))
                self.assertEqual(run.returncode, 2)
                self.assertIn("'%s'" % (args[0].replace("--seconds=", "") if args else setting[1]),
                              run.stderr)
                self.assertFalse(os.path.exists(self.out))

    def test_ctrl_c_ends_all_of_it(self):
        demo = subprocess.Popen([DEMO, "--seconds=60"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, env=self.environment(), start_new_session=True)
        try:
            for line in demo.stdout:
                if "picture to find" in line:
                    break  # the day has begun
            os.killpg(demo.pid, signal.SIGINT)
            said = demo.stdout.read()
            self.assertEqual(demo.wait(timeout=30), 130, said)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)
                demo.wait()
            demo.stdout.close()
        with self.assertRaises(ProcessLookupError):
            os.killpg(demo.pid, 0)  # nobody of its group is left

    def test_a_shop_that_stays_open_closes_when_it_is_told_to(self):
        demo = subprocess.Popen([DEMO, "--seconds=1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, start_new_session=True,
                                env=self.environment(VISITORS="100", STAY="600"))
        try:
            for line in demo.stdout:
                if "stays open" in line:
                    break
            demo.terminate()  # it alone, as whoever started it from a program does
            self.assertEqual(demo.wait(timeout=60), 143, demo.stdout.read())
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)
                demo.wait()
            demo.stdout.close()
        with self.assertRaises(ProcessLookupError):
            os.killpg(demo.pid, 0)

    def test_a_day_on_which_a_program_ends_is_no_good_day(self):
        demo = subprocess.Popen([DEMO, "--seconds=1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.environment(VISITORS="200"))
        with demo.stdout, demo.stderr:
            for line in demo.stdout:
                if "picture to find" in line:
                    break
            with open("/proc/%d/task/%d/children" % (demo.pid, demo.pid), encoding="ascii") as children:
                for pid in map(int, children.read().split()):
                    with open("/proc/%d/comm" % pid, encoding="ascii") as name:
                        if name.read() == "shop\n":
                            os.kill(pid, signal.SIGKILL)
            demo.stdout.read()
            self.assertIn("shop has ended", demo.stderr.read())
            self.assertEqual(demo.wait(timeout=60), 1)


class CrowdTest(unittest.TestCase):
    """What the crowd says of days that do not add up."""

    def test_a_day_counts_what_came_since_it_began(self):
        crowd = example("crowd")
        with Daemon("simplequeue") as queue, server(
                "collector", "--mapping=" + os.path.join(ROOT, "examples/shop/shop.mapping"),
                "--destination-post-url=" + queue.url("/mput")) as collector:
            ids = subprocess.run([example("shop"), "--list"], capture_output=True, text=True,
                                 check=True).stdout.split()
            task = "--task=bandit:items=%s,refresh=0" % "+".join(ids)
            with server("bandit", "--store=memory:", "--source=" + queue.url(), task,
                        "--sleeptime-queue-empty=20ms") as bandit:
                wait_until(lambda: get(bandit.url("/item")).status == 200, what="a filled set")

                def day(*args, to=collector):
                    return subprocess.run(
                        [crowd, "--shop=" + shop.url(), "--collector=" + to.url(), "--visitors=60",
                         "--api=" + bandit.url(), "--day=100ms", "--settle=300ms", *args],
                        capture_output=True, text=True)

                with shop_daemon("--api=" + bandit.url()) as shop:
                    for seed in (1, 2):  # the second begins with what the first one taught; other visitors
                        run = day("--alone", "--settle=10s", "--seed=%d" % seed)
                        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                        self.assertRegex(run.stdout, r"(?m)^60 impressions .* 0 late, 0 lost$")
                        self.assertNotIn("more than were sent", run.stdout)
                    # A collector whose messages go nowhere.
                    with server("collector", "--destination-post-url=http://127.0.0.1:9/",
                                "--drain-timeout=1ms") as nowhere:
                        run = day(to=nowhere)
                        nowhere.kill()
                    self.assertEqual(run.returncode, 1, run.stdout)
                    self.assertNotIn(" 0 lost", run.stdout)
                with shop_daemon() as shop:  # asks no bandit
                    run = day("--settle=10s", "--seed=3")
                    self.assertIn("the bandit chose for 0 of 60 visitors", run.stderr)
                    self.assertEqual(run.returncode, 1)


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
