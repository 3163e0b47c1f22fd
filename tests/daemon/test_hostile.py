"""Hostile HTTP input (promises P7 and P8, test T14): the cases of ../shared/hostile against both servers,
and cut in two at every byte. run.py runs this file against the sanitized programs too."""

import importlib.util
import os
import re
import select
import socket
import subprocess
import sys
import time
import unittest
import unittest.mock

from harness import ROOT, Daemon, get
from servers import each_server

SHARED = os.environ.get("RIVULET_SHARED", os.path.join(os.path.dirname(ROOT), "shared"))
HOSTILE = os.path.join(SHARED, "hostile")
# Starts before the others.
LONG = True
WAITS = True
ASAN = "asan" in os.environ.get("RIVULET_BIN_DIR", "")


def came_too_late(line):
    """Whether a FAIL line may be of an answer, or a close, that was not awaited for long enough: the
    connection was open, and what came first, if anything, is right."""
    got, want = (field.partition("=")[2] for field in line.split("\t")[3:5])
    if got == "wait":
        return True
    first = re.match(r"\d+", got)
    if not first or got.endswith("!"):
        return False
    alike = {first[0], "ok"} if re.match("2|40[45]", got) else {first[0]}
    return any(re.match(r"\w*", right)[0] in alike for right in want.split("|"))


class HostileInput(unittest.TestCase):
    def setUp(self):
        if not os.path.isdir(HOSTILE):
            self.skipTest("%s is not there" % HOSTILE)

    def test_only_what_may_have_come_too_late_is_asked_again(self):
        for got, want, late in (("wait", "400!|close", True), ("400", "400!", True), ("200", "ok,ok", True),
                                ("200*290", "ok*300", True), ("404", "ok,400!", True),
                                ("200", "400!", False), ("400!", "ok", False), ("close", "400!", False),
                                ("garbage", "ok", False), ("200,200!", "ok,ok,ok", False)):
            self.assertEqual(came_too_late("FAIL\tid\ttag\tgot=%s\twant=%s" % (got, want)), late, (got, want))

    @each_server
    def test_all_hostile_cases_are_answered_as_they_should(self, name, path):
        with Daemon(name, "--max-body-size=32MiB", "--enable-logging") as daemon:
            before = daemon.resident_bytes()
            # It waits for each answer for half a second: where one had not come yet, all is asked again.
            for _ in range(5):
                done = subprocess.run(
                    [sys.executable, os.path.join(HOSTILE, "run_hostile.py"), "127.0.0.1", str(daemon.port),
                     os.path.join(HOSTILE, "http_hostile.tsv"), path],
                    capture_output=True, text=True, timeout=120)
                failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
                if not failed or not all(map(came_too_late, failed)):
                    break
            self.assertEqual((done.returncode, failed), (0, []), done.stdout[-500:] + done.stderr)
            self.assertIn("148/148", done.stdout)
            took = []  # the best of five: the machine may be busy
            for _ in range(5):
                start = time.monotonic()
                self.assertEqual(get(daemon.url("/ping")).body, b"OK")
                took.append(time.monotonic() - start)
            self.assertLess(min(took), 2.0 if ASAN else 0.2)
            if not ASAN:  # freed memory is kept from reuse there
                self.assertLess(daemon.resident_bytes() - before, 2 * (32 << 20))
            log = daemon.stderr()
            self.assertNotIn("CANARY", log)
            self.assertIsNone(re.search(r"[\x00-\x09\x0b-\x1f]", log))

    @each_server
    def test_a_cut_at_any_byte_changes_no_outcome(self, name, path):
        # The script reads its arguments when it is loaded.
        with unittest.mock.patch.object(sys, "argv", ["run_hostile.py", "127.0.0.1", "0", "", path]):
            spec = importlib.util.spec_from_file_location(
                "run_hostile", os.path.join(HOSTILE, "run_hostile.py"))
            run_hostile = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(run_hostile)
        with open(os.path.join(HOSTILE, "http_hostile.tsv")) as file:
            rows = [line.rstrip("\n").split("\t") for line in file.read().split("\n")[1:61] if line]
        cases = []
        for case, _, text, outcomes in rows:
            parts = run_hostile.expand(text.replace("/echo", path))
            # Pauses are left out: the cut takes their place.
            data = b"".join(part for part in parts if isinstance(part, bytes))
            if "FIN" not in parts:
                cases.append((case, data))
        self.assertGreater(len(cases), 55)
        with Daemon(name, "--max-body-size=32MiB") as daemon:
            for case, data in cases:
                whole = observe_cut([(data, len(data))], daemon.port)[0]
                # Every byte, under the sanitizers; of the few large cases, as many places spread over them.
                places = range(1, len(data), max(1, len(data) // (400 if ASAN else 50)))
                seen = observe_cut([(data, cut) for cut in places], daemon.port)
                different = [cut for cut, outcome in zip(places, seen) if outcome != whole]
                self.assertEqual(different, [], "%s: cut at these bytes it is not %r" % (case, whole))


def observe_cut(jobs, port):
    """Sends each (bytes, cut) in two pieces, all at once, and tells (statuses, closed) of each."""
    sockets = []
    for data, cut in jobs:
        s = socket.create_connection(("127.0.0.1", port))
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(data[:cut])
        sockets.append(s)
    # An answer to a later connection tells that the first pieces have been read.
    get("http://127.0.0.1:%d/ping" % port)
    for s, (data, cut) in zip(sockets, jobs):
        try:
            s.sendall(data[cut:])
        except OSError:
            pass  # refused by the first piece already
    seen = [b""] * len(sockets)
    closed = [False] * len(sockets)
    quiet_until = time.monotonic() + 0.3
    waiting = {s: i for i, s in enumerate(sockets)}
    while waiting:
        ready, _, _ = select.select(list(waiting), [], [], 0.05)
        if not ready and time.monotonic() >= quiet_until:
            # However slow it is: an answer to a later connection comes after those to all of these.
            get("http://127.0.0.1:%d/ping" % port)
            if not select.select(list(waiting), [], [], 0)[0]:
                break
        for s in ready:
            try:
                data = s.recv(65536)
            except ConnectionResetError:
                data = b""
            index = waiting[s]
            seen[index] += data
            if not data:
                closed[index] = True
                del waiting[s]
            quiet_until = max(quiet_until, time.monotonic() + 0.15)
    for s in sockets:
        s.close()
    return [(re.findall(rb"HTTP/1\.1 (\d+)", text), end) for text, end in zip(seen, closed)]


if __name__ == "__main__":
    unittest.main()
