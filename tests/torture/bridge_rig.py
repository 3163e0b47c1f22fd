"""What the bridge's tortures are made of: a source, a destination and a bridge that can be killed and
started again in the same place, a publisher who is never in doubt, and the judge.

Messages are numbers with some bytes behind them. The witnesses are the source, which tells at the
end everything it was given, and the destination, in the order in which it got it.
"""

import array
import collections
import hashlib
import json
import os
import random
import socket
import threading
import time

import sessions  # noqa: F401  which knows where the harness is

from harness import Connection, Daemon, get

QUIET_SECONDS = 15.0  # without an arrival, after which no more are expected
ODD = 97  # every so often a message has a newline, NUL and CR inside


class Numbers:
    """Number -> message, and back."""

    def __init__(self, seed, odd=ODD, most=101):
        self.seed, self.odd, self.most = seed, odd, most
        self.pad = hashlib.shake_128(b"pad of %d" % seed).digest(most + 83).replace(b"\n", b"n")

    def body(self, number):
        at = number % 83
        body = b"%d:%d:" % (self.seed, number) + self.pad[at:at + number * 2654435761 % self.most]
        return body + b"\n\0two\r\n" if self.odd and number % self.odd == 0 else body

    def number_of(self, body):
        """None: nobody can have written this."""
        try:
            number = int(body.split(b":", 2)[1])
            return number if body == self.body(number) else None
        except (ValueError, IndexError):
            return None

    def framed(self, first, end):
        bodies = map(self.body, range(first, end))
        return b"".join(b"%d\n%s\n" % (len(body), body) for body in bodies)


def frames(data):
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        size = int(data[at:end])
        yield data[end + 1:end + 1 + size]
        at = end + 2 + size


def messages_of(request):
    """Of a request to /mput or /put, as the proxy saw it."""
    if "format=framed" in request.target:
        return list(frames(request.body))
    if "/mput" in request.target:
        return [line for line in request.body.split(b"\n") if line]
    return [request.body]


def quiet_port():
    """A free port that is not given to others meanwhile: below those that the system gives out, where
    a connection to a port that nobody listens on could even meet itself."""
    generator = random.Random(os.urandom(8))
    while True:
        port = generator.randrange(20000, 30000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


class Kept:
    """A program that starts again in its place."""

    def __init__(self, name, *arguments, env=None, listens=True):
        self.name, self.arguments, self.env, self.listens = name, arguments, env, listens
        self.daemon = None
        self.starts = 0
        self.kills = 0

    def start(self, *more, env=None):
        self.daemon = Daemon(self.name, *self.arguments, *more, env=env or self.env,
                             listens=self.listens)
        self.starts += 1
        return self.daemon

    def running(self):
        return self.daemon is not None and self.daemon.running()

    def kill(self):
        if self.daemon:
            self.daemon.kill()
            self.kills += 1

    def stop(self, expected=0):
        return self.daemon.stop(expected) if self.daemon else None

    def last_words(self):
        return self.daemon.stderr().rstrip("\n").rsplit("\n", 1)[-1] if self.daemon else ""


class Source(Kept):
    def __init__(self, folder, *options, address="127.0.0.1", sync="always"):
        self.port = quiet_port()
        self.address = address
        super().__init__("pubsub", "--port=%d" % self.port, "--address=" + address,
                         "--data-path=" + os.path.join(folder, "source"), "--retain-bytes=4GiB",
                         "--dedupe-window=1h", "--sync=" + sync, *options)

    def url(self):
        return "http://%s:%d/sub?since=earliest" % (self.address, self.port)

    def numbers(self, numbers):
        """Everything that it was given, in order; None: a message that nobody wrote."""
        answer = get("http://%s:%d/sub?format=framed&since=earliest&until=now" % (
            self.address, self.port), timeout=120)
        return [numbers.number_of(body) for body in frames(answer.body)]


class Queue(Kept):
    def __init__(self, folder, *options, name="queue", address="127.0.0.1", sync="always"):
        self.port = quiet_port()
        self.address = address
        self.arrived = array.array("q")
        self.unexpected = []
        super().__init__("simplequeue", "--port=%d" % self.port, "--address=" + address,
                         "--data-path=" + os.path.join(folder, name), "--sync=" + sync, *options)

    def url(self, path="/mput"):
        return "http://%s:%d%s" % (self.address, self.port, path)

    def depth(self):
        stats = get(self.url("/stats?format=json")).json()
        return sum(queue["depth"] for queue in stats["queues"].values())

    def take(self, numbers):
        """Takes what is there into `arrived`; returns how many."""
        taken = 0
        while True:
            data = get(self.url("/mget?items=10000&format=framed"), timeout=60).body
            if not data:
                return taken
            for body in frames(data):
                number = numbers.number_of(body)
                if number is None:
                    self.unexpected.append(body[:60])
                else:
                    self.arrived.append(number)
                taken += 1

    def take_until(self, numbers, count, bridge, quiet=QUIET_SECONDS):
        """Until `count` different ones came, or none for a time, or the bridge ended."""
        seen = set(self.arrived)
        last = time.monotonic()
        while len(seen) < count and time.monotonic() - last < quiet and bridge.running():
            before = len(self.arrived)
            if self.take(numbers):
                last = time.monotonic()
                seen.update(self.arrived[before:])
            else:
                time.sleep(0.02)


class Bridge(Kept):
    """FAST: what makes it try again soon. IMPATIENT: what else it takes where answers are held back;
    elsewhere a busy machine should not look like a failure."""

    FAST = ("--max-backoff=50ms", "--connect-timeout=1s")
    IMPATIENT = "--request-timeout=1s"

    def __init__(self, source_urls, destination_urls, *options, env=None):
        super().__init__("ps_to_http", *("--pubsub-url=" + url for url in source_urls),
                         *("--destination-post-url=" + url for url in destination_urls),
                         *self.FAST, *options, env=env, listens=False)
        self.status_port = None

    def start(self, *more, env=None):
        daemon = super().start(*more, env=env)
        if any(option.startswith("--http-address") for option in (*self.arguments, *more)):
            self.status_port = int(daemon.wait_for_line(r"^listening on .*:(\d+)$").group(1))
        return daemon

    def stats(self):
        return get("http://127.0.0.1:%d/stats?format=json" % self.status_port).json()


class Publisher(threading.Thread):
    """Publishes `count` numbers, some at a time, each of them until it is acknowledged: the key makes
    a request that is repeated do nothing. `pause` s between two requests."""

    def __init__(self, source, numbers, count, at_a_time=100, pause=0.0):
        super().__init__(daemon=True)
        self.source, self.numbers, self.count = source, numbers, count
        self.at_a_time, self.pause = at_a_time, pause
        self.acknowledged = 0
        self.retries = 0
        self.stopping = False
        self.connection = None

    def run(self):
        while self.acknowledged < self.count and not self.stopping:
            end = min(self.count, self.acknowledged + self.at_a_time)
            body = self.numbers.framed(self.acknowledged, end)
            while not self.post(body, b"%d-%d" % (self.numbers.seed, self.acknowledged)):
                self.retries += 1
                if self.stopping:
                    return
                time.sleep(0.02)
            self.acknowledged = end
            if self.pause:
                time.sleep(self.pause)
        if self.connection:
            self.connection.close()

    def post(self, body, key):
        try:
            if not self.connection:
                self.connection = Connection(self.source.port, host=self.source.address)
            answer = self.connection.request("POST", "/pub?format=framed", body,
                                             [("Idempotency-Key", key.decode())])
            if answer.status == 200:
                return True
        except (OSError, EOFError, ValueError):
            pass
        if self.connection:
            self.connection.close()
            self.connection = None
        return False

    def stop(self):
        self.stopping = True
        self.join(30)


class Found:
    """What a run found. `violations`: lines that begin with the name of what was broken."""

    def __init__(self, name, seed):
        self.name, self.seed = name, seed
        self.sent = self.arrived = self.missing = self.unexpected = self.duplicates = 0
        self.notes = []
        self.violations = []
        self.began = time.monotonic()
        self.seconds = 0.0

    def wrong(self, rule, text):
        self.violations.append("%s: %s [%s, seed %d]" % (rule, text, self.name, self.seed))

    def note(self, text):
        self.notes.append(text)

    def __str__(self):
        counts = "%d sent, %d arrived, %d missing, %d unexpected, %d duplicates" % (
            self.sent, self.arrived, self.missing, self.unexpected, self.duplicates)
        verdict = "%d VIOLATIONS" % len(self.violations) if self.violations else "ok"
        return "%s: seed %d: %s; %.1f s: %s" % (
            self.name, self.seed, ", ".join([counts, *self.notes]), self.seconds, verdict)


def judge(found, sent, queue, most_duplicates, without=(), in_order=None):
    """sent: what the source has, in order. without: those that were refused for good.
    most_duplicates: arrivals beyond the first that the failures of the run account for. in_order:
    disturbances, each of which may make the order begin again at an earlier message; None: the order
    is free. Adds to `found`; a second destination adds up."""
    count = collections.Counter(sent)
    if None in count or any(times > 1 for times in count.values()):
        found.wrong("source", "it has %d messages that nobody wrote, and %d twice" % (
            count.get(None, 0), sum(1 for times in count.values() if times > 1)))
    arrived = collections.Counter(queue.arrived)
    missing = sorted(set(count) - set(arrived) - set(without) - {None})
    unexpected = sorted(number for number in arrived if number not in count)
    refused = sorted(set(without) & set(arrived))
    duplicates = len(queue.arrived) - len(arrived)
    found.seconds = time.monotonic() - found.began
    found.sent += len(sent)
    found.arrived += len(arrived)
    found.missing += len(missing)
    found.unexpected += len(unexpected) + len(queue.unexpected)
    found.duplicates += duplicates
    if missing:
        found.wrong("missing", "%d of %d never arrived: %s" % (
            len(missing), len(sent), ranges(missing)))
    if unexpected or queue.unexpected:
        found.wrong("unexpected", "%s that the source never had, %r that nobody wrote" % (
            ranges(unexpected), queue.unexpected[:5]))
    if refused:
        found.wrong("unexpected", "%s were refused, and arrived" % ranges(refused))
    if duplicates > most_duplicates:
        found.wrong("duplicates", "%d, where failures account for %d" % (duplicates, most_duplicates))
    if in_order is not None:
        judge_order(found, queue.arrived, set(without), in_order)


def judge_order(found, arrived, without, disturbances):
    """One request at a time: the next one, or an earlier one once more."""
    highest, last, rewinds = -1, -1, 0
    for number in arrived:
        if number > highest + 1 and any(n not in without for n in range(highest + 1, number)):
            found.wrong("order", "%d came behind %d" % (number, highest))
            return
        if number <= last:
            rewinds += 1
        highest, last = max(highest, number), number
    if rewinds > disturbances:
        found.wrong("order", "began again %d times, in %d disturbances" % (rewinds, disturbances))


def ranges(numbers):
    """1-3, 7, and so on: the first few."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = ", ".join(str(first) if first == last else "%d-%d" % (first, last) for first, last in found[:8])
    return shown + (" and %d ranges more" % (len(found) - 8) if len(found) > 8 else "")


def dead_letters(path, found):
    """The messages of a dead letter file, with their answers."""
    import base64
    letters = []
    if os.path.exists(path):
        with open(path, "rb") as lines:
            for line in lines.read().split(b"\n")[:-1]:
                try:
                    letter = json.loads(line)
                    message = letter.get("message")
                    letters.append((base64.b64decode(letter["message_base64"]) if message is None
                                    else message.encode(), letter["answer"]))
                except (ValueError, KeyError) as error:
                    found.wrong("dead letters", "%r: %s" % (line[:200], error))
    return letters

