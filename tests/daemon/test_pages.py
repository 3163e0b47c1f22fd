"""What holds for every page of ours in a real browser: what it is refused, and a page of another origin."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from harness import BIN_DIR, ROOT, Daemon, post, program_path, wait_until
from page_case import PageTest, setUpModule, tearDownModule  # noqa: F401

LONG = True
WAITS = True


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
    """The browser refuses what the pages promise not to have: the tests of the pages would see it."""

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
