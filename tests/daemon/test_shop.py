"""The shop and its bandit: a simulated day adds up."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest
import xml.dom.minidom

from harness import BIN_DIR, ROOT, Daemon, get, program_path, wait_until
from shop_case import EXAMPLES_DIR, example, server, shop_daemon

DEMO = os.path.join(ROOT, "examples/shop/demo.sh")
PICTURES = ("morning", "noon", "evening", "night")
LONG = True
WAITS = True


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
            if self.rounds(run) >= rounds and "crowd: the bandit chose for" not in run.stderr:
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


if __name__ == "__main__":
    unittest.main()
