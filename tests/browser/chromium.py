"""Chromium without a window, driven over its DevTools protocol by a pair of pipes.

    with Chromium() as browser:
        page = browser.open(daemon.url("/"))
        page.wait_for("document.querySelector('#state').textContent === 'live'")
        page.click("#publish_form button")
        assert page.problems() == []

A page notes what a person would find in its console: messages of level error, exceptions, and what its
Content-Security-Policy refused. SkipTest where there is no Chromium.
"""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

NAMES = ("chromium", "chromium-browser", "google-chrome")
START_TIMEOUT = 60.0
# Before any script of the page: what the policy refuses is an event, which a log may miss.
WATCH_POLICY = """
window.refusals = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.refusals.push(event.violatedDirective + ' ' + event.blockedURI));
"""


class ProtocolError(Exception):
    """Chromium refused a command, or the page's script threw."""


def chromium_path():
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise unittest.SkipTest("there is no Chromium (Debian package chromium)")


class Chromium:
    """A browser with a profile of its own, which is removed at the end."""

    def __init__(self):
        path = chromium_path()
        self._profile = tempfile.TemporaryDirectory(prefix="rivulet-chromium.", ignore_cleanup_errors=True)
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()

        def pipes_are_3_and_4():
            # Away from 3 and 4 first, so that neither is overwritten before it is copied.
            read, write = os.dup(theirs_in), os.dup(theirs_out)
            while read in (3, 4):
                read = os.dup(read)
            while write in (3, 4):
                write = os.dup(write)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--disable-component-update", "--hide-scrollbars", "--remote-debugging-pipe",
             "--user-data-dir=" + self._profile.name, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, close_fds=False,
            preexec_fn=pipes_are_3_and_4, start_new_session=True,
            env={**os.environ, "HOME": self._profile.name})
        os.close(theirs_in)
        os.close(theirs_out)
        self._write = os.fdopen(ours_out, "wb", buffering=0)
        self._read = os.fdopen(ours_in, "rb", buffering=0)
        self._changed = threading.Condition()
        self._answers = {}
        self._pages = {}  # session -> Page
        self._last = 0
        self._gone = False
        threading.Thread(target=self._listen, daemon=True).start()
        self.command("Browser.getVersion", timeout=START_TIMEOUT)

    def _listen(self):
        data = b""
        while True:
            try:
                more = self._read.read(1 << 16)
            except (OSError, ValueError):
                more = b""
            if not more:
                break
            *messages, data = (data + more).split(b"\0")
            for message in messages:
                self._take(json.loads(message))
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def _take(self, message):
        with self._changed:
            if "id" in message:
                self._answers[message["id"]] = message
            elif message.get("sessionId") in self._pages:
                self._pages[message["sessionId"]].take_event(message["method"], message["params"])
            self._changed.notify_all()

    def command(self, method, session=None, timeout=30.0, **params):
        """The result of a command."""
        with self._changed:
            self._last += 1
            number = self._last
        message = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        self._write.write(json.dumps(message).encode() + b"\0")
        with self._changed:
            if not self._changed.wait_for(lambda: number in self._answers or self._gone, timeout):
                raise AssertionError("Chromium did not answer %s within %g s" % (method, timeout))
            if number not in self._answers:
                raise AssertionError("Chromium ended:\n" + self.log())
            answer = self._answers.pop(number)
        if "error" in answer:
            raise ProtocolError("%s: %s" % (method, answer["error"].get("message")))
        return answer["result"]

    def log(self):
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", "backslashreplace")[-4000:]

    def open(self, url, width=1280, height=900, phone=False, dark=False):
        """A new tab with the page at `url`, loaded."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        with self._changed:
            self._pages[session] = page
        page.prepare(width, height, phone, dark)
        page.go(url)
        return page

    def close(self):
        if self._process.poll() is None:
            try:
                self.command("Browser.close", timeout=5)
                self._process.wait(10)
            except (AssertionError, ProtocolError, OSError, subprocess.TimeoutExpired):
                pass
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)  # the group that was started here
            self._process.wait()
        self._write.close()
        self._log.close()
        self._profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Page:
    """One tab."""

    def __init__(self, browser, session, target):
        self._browser = browser
        self._session = session
        self._target = target
        self._problems = []

    def command(self, method, **params):
        return self._browser.command(method, session=self._session, **params)

    def prepare(self, width, height, phone, dark):
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.command(domain + ".enable")
        self.command("Page.addScriptToEvaluateOnNewDocument", source=WATCH_POLICY)
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=2 if phone else 1, mobile=phone)
        self.command("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def take_event(self, method, params):
        """Of the browser, in its thread."""
        if method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self._problems.append("console: " + " ".join(
                str(arg.get("value", arg.get("description"))) for arg in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self._problems.append("exception: " + details.get("exception", {}).get(
                "description", details["text"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            entry = params["entry"]
            self._problems.append("%s: %s %s" % (entry["source"], entry["text"], entry.get("url", "")))

    def problems(self):
        """What a person would find in the console so far, and what the policy refused."""
        refused = self.evaluate("window.refusals")
        return list(self._problems) + ["policy: " + what for what in refused]

    def forget_problems(self):
        self._problems.clear()
        self.evaluate("window.refusals.length = 0")

    def go(self, url):
        self.command("Page.navigate", url=url)
        self.wait_for("location.href !== 'about:blank' && document.readyState === 'complete'")

    def evaluate(self, expression):
        """The value of a JavaScript expression, promises awaited."""
        result = self.command("Runtime.evaluate", expression=expression, returnByValue=True,
                              awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise ProtocolError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait_for(self, expression, timeout=20.0):
        """Polls until the expression is true, and returns its value ({} for an element)."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                value = self.evaluate(expression)
            except ProtocolError:  # between two documents
                value = None
            if value or value == {}:
                return value
            if time.monotonic() > deadline:
                raise AssertionError("%s did not hold within %g s; problems: %s; the page shows:\n%s" % (
                    expression, timeout, self._problems,
                    self.evaluate("document.body.innerText")[:1500]))
            time.sleep(0.05)

    def text(self, selector):
        return self.evaluate("document.querySelector(%s).textContent" % json.dumps(selector))

    def texts(self, selector):
        return self.evaluate("[...document.querySelectorAll(%s)].map((e) => e.textContent)"
                             % json.dumps(selector))

    def click(self, selector):
        """With the mouse, in the middle of the element."""
        self.command("Page.bringToFront")  # a tab behind another gets no clicks
        at = self.wait_for("""(() => {
          const element = document.querySelector(%s);
          if (!element || element.disabled) return null;
          element.scrollIntoView({ block: 'center', behavior: 'instant' });
          const box = element.getBoundingClientRect();
          return box.width > 0 && { x: box.x + box.width / 2, y: box.y + box.height / 2 };
        })()""" % json.dumps(selector))
        for kind in ("mousePressed", "mouseReleased"):
            self.command("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    def write(self, selector, text):
        """Types the text into an input, in place of what is there."""
        self.evaluate("(() => { const e = document.querySelector(%s); e.focus(); e.select(); })()"
                      % json.dumps(selector))
        self.command("Input.insertText", text=text)

    def press(self, key, code=None, number=0, modifiers=0, text=None):
        """A key of the keyboard, down and up. `number` is its virtual key code."""
        more = {"text": text} if text else {}
        for kind in ("keyDown" if text else "rawKeyDown", "keyUp"):
            self.command("Input.dispatchKeyEvent", type=kind, key=key, code=code or key,
                         windowsVirtualKeyCode=number, modifiers=modifiers, **more)
            more = {}

    def screenshot(self, path, whole=True):
        """A PNG of the page, beyond the window too when `whole`."""
        params = {"format": "png"}
        if whole:
            size = self.command("Page.getLayoutMetrics")["cssContentSize"]
            params.update(captureBeyondViewport=True, clip={**size, "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.command("Page.captureScreenshot", **params)["data"]))

    def close(self):
        self._browser.command("Target.closeTarget", targetId=self._target)
