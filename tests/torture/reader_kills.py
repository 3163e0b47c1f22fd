"""kill -9 of a reader, of its queue, and of both; what its tasks have found is in the end what they find
in one go over the same messages: every message counted, none twice.

Each is a function of a seed and of how much is done, and returns a Found (bridge_rig.py).
"""

import collections
import json
import math
import os
import threading
import time

from bridge_kills import one_kill
from bridge_rig import Found, Kept, Queue
from history import make_random
from programs import folder
from shim import Fault

from harness import START_TIMEOUT, get, post, wait_until  # after programs, which knows where it is

# Which of these calls at most is one to be killed at: a reader writes its checkpoints.
POINTS = {"write": 4, "sync": 4, "create": 3, "rename": 4}
SURE_KILLS = 2  # behind a checkpoint
TASKS = ("--task=sum:field=x", "--task=moments:field=x", "--task=fail:rate=0.01")
COMPARED = ("sum:field=x", "moments:field=x")
END_SECONDS = 60.0
MALFORMED = b"{no JSON"


def message(number):
    """The sum of x is exact where each one counts once, and no other set of numbers has it by chance."""
    return b'{"n":%d,"x":%d}' % (number, number * number % 1000003)


class Feeder(threading.Thread):
    """Puts message(0), message(1), ... while its queue is up; now and then something malformed."""

    def __init__(self, queue, random, per_second):
        super().__init__(daemon=True)
        self.queue, self.random, self.pause = queue, random, 100 / per_second
        self.up = threading.Lock()  # held while a request runs, and while the queue is away
        self.count = self.malformed = 0
        self.stopping = False
        self.error = None

    def run(self):
        try:
            while not self.stopping:
                with self.up:
                    self.put(100)
                time.sleep(self.pause)
        except (OSError, AssertionError) as error:
            self.error = error

    def put(self, count):
        lines = [message(self.count + i) for i in range(count)]
        if self.random.random() < 0.2:
            lines.insert(self.random.randrange(count), MALFORMED)
            self.malformed += 1
        answer = post(self.queue.url("/mput"), b"\n".join(lines))
        if answer.status != 200:
            raise AssertionError("%d %r" % (answer.status, answer.body))
        self.count += count


class QueueKiller(threading.Thread):
    """Kills the queue at random, and starts it again."""

    def __init__(self, queue, feeder, random, longest):
        super().__init__(daemon=True)
        self.queue, self.feeder, self.random, self.longest = queue, feeder, random, longest
        self.ending = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.ending.wait(self.random.uniform(0.5, 1.0) * self.longest):
                with self.feeder.up:
                    self.queue.kill()
                    self.ending.wait(self.random.uniform(0, 0.3) * self.longest)
                    self.queue.start()
        except (OSError, AssertionError) as error:
            self.error = error

    def end(self):
        self.ending.set()
        self.join(START_TIMEOUT)


def reader_kills(seed, kills, longest=0.25, per_second=20000, control=None):
    """`kills` ends of a reader, most of them kill -9, and half as many of its queue. control: what is
    taken away, so that the test must fail: "checkpoint", or "ledger": what was decided of which
    messages is not remembered."""
    random = make_random("reader", seed)
    found = Found("reader killed" + (", without " + control if control else ""), seed)
    points = collections.Counter()
    with folder() as base:
        queue = Queue(base, sync="none")
        queue.start()
        state = os.path.join(base, "state")
        os.mkdir(state)
        feeder = Feeder(queue, random, per_second)
        reader = a_reader(base, queue, random, () if control == "checkpoint" else (
            "--checkpoint-dir=" + state, "--checkpoint-every=" + random.choice(("20ms", "50ms", "500"))))
        killer = QueueKiller(queue, feeder, make_random("queue", seed), longest)
        feeder.start()
        killer.start()
        for _ in range(kills):
            one_kill(reader, state, random, points, found, random.uniform(0.01, longest), POINTS, longest)
            if control == "ledger":
                forget_ledger(os.path.join(state, "default.checkpoint"))
        for _ in range(0 if control == "checkpoint" else SURE_KILLS):
            kill_behind_checkpoint(reader, state, random, found)
            if control == "ledger":
                forget_ledger(os.path.join(state, "default.checkpoint"))
        feeder.stopping = True
        killer.end()
        feeder.join(START_TIMEOUT)
        for thread in (feeder, killer):
            if thread.error:
                found.wrong("rig", str(thread.error))
        if not queue.running():
            queue.start()
        found.note("%d ends of the reader, %d of them at named points, %d of the queue, %d malformed" % (
            reader.starts, sum(points.values()), queue.kills, feeder.malformed))
        judge(found, base, queue, reader, feeder, again=control != "checkpoint")
        queue.kill()
    return found


def a_reader(base, queue, random, options):
    return Kept("queuereader", "--source=http://127.0.0.1:%d" % queue.port, *TASKS, "--lease=1s",
                "--mget-items=%d" % random.choice((1, 20, 100, 500)), "--requeue-delay=20ms",
                "--max-tries=1000", "--max-backoff=0s", "--sleeptime-failed-queue=20ms",
                "--drain-timeout=200ms", "--failed-message-dir=" + os.path.join(base, "failed"),
                *options, listens=False)


def kill_behind_checkpoint(reader, state, random, found):
    """What a checkpoint holds was decided, and the queue was not told yet."""
    fault = Fault(state, "rename", random.randint(2, 4), "kill_after")
    daemon = reader.start(env=fault.env)
    try:
        daemon.wait()
    except AssertionError as error:
        found.wrong("rig", "no checkpoint to be killed behind: %s" % str(error)[-800:])
    reader.kill()


def forget_ledger(path):
    """What a reader without a ledger would have: its tasks' state alone."""
    import zlib
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return
    out, data = b"rivulet checkpoint 1\n", data[len(b"rivulet checkpoint 1\n"):-len(b"end 01234567\n")]
    while data:
        line, data = data.split(b"\n", 1)
        name, size = line.rsplit(b" ", 1)
        if name != b"ledger":
            out += line + b"\n" + data[:int(size)]
        data = data[int(size):]
    with open(path, "wb") as file:
        file.write(out + b"end %08x\n" % zlib.crc32(out))


def judge(found, base, queue, reader, feeder, again):
    """What a reader that is let run to the end has found, one that is started once more, and one that
    reads a file of the same messages."""
    found.sent = feeder.count
    ends = ["at the end"] + (["started again"] if again else [])
    for end in ends:
        tasks = run_to_the_end(found, reader, "--exit-when-empty=200ms")
        expect(found, end, tasks, feeder.count)
    if again:
        check_awaited(found, reader)
    left = get(queue.url("/stats?format=json")).json()["queues"]["default"]
    if any(left[state] for state in ("depth", "in_flight", "deferred")) or left["dead"] != feeder.malformed:
        found.wrong("queue", "%r, where %d were malformed" % (left, feeder.malformed))
    path = os.path.join(base, "messages")
    with open(path, "wb") as file:
        for number in range(feeder.count):
            file.write(message(number) + b"\n")
    batch = run_to_the_end(found, Kept(
        "queuereader", "--source=file:" + path, *TASKS[:2],
        "--failed-message-dir=" + os.path.join(base, "failed"), listens=False))
    compare(found, tasks, batch)
    found.arrived = tasks.get(COMPARED[0], {}).get("count", 0)
    found.missing = max(0, found.sent - found.arrived)
    found.duplicates = max(0, found.arrived - found.sent)
    found.seconds = time.monotonic() - found.began


def check_awaited(found, reader):
    """The queue is empty: no message is to come again, and none may be waited for."""
    reader.listens = True
    daemon = reader.start("--http-address=127.0.0.1:0")
    ledger = {}
    try:
        def all_told():
            ledger.update(get(daemon.url("/stats?format=json")).json())
            return not any(ledger[state] for state in ("in_hand", "decided", "covered", "settling"))
        wait_until(all_told, what="the reader's idleness")
        if ledger["awaited"]:
            found.wrong("awaited", "%d of an empty queue" % ledger["awaited"])
    except (AssertionError, KeyError) as error:
        found.wrong("awaited", "%r %r" % (error, ledger))
    reader.listens = False
    reader.kill()


def run_to_the_end(found, reader, *options):
    """The tasks' summaries."""
    daemon = reader.start("--summary", "--summary-format=json", *options)
    try:
        status = daemon.wait(END_SECONDS)
    except AssertionError as error:
        daemon.kill()
        found.wrong("end", str(error)[-1500:])
        return {}
    if status != 0:
        found.wrong("end", "status %d: %s" % (status, daemon.stderr()[-1500:]))
    try:
        return {task["name"]: task["summary"] for task in json.loads(daemon.stdout())["tasks"]}
    except (ValueError, KeyError) as error:
        found.wrong("summary", "%r: %r" % (error, daemon.stdout()[-500:]))
        return {}


def expect(found, when, tasks, count):
    """The sum by Python's integers."""
    right = {"count": count, "skipped": 0, "sum": sum(n * n % 1000003 for n in range(count))}
    if tasks.get(COMPARED[0]) != right:
        found.wrong("sum", "%s: %r, but %r is right" % (when, tasks.get(COMPARED[0]), right))


def compare(found, stream, batch):
    """Messages come in another order after a kill, so that numbers may differ in their last digits."""
    for name in COMPARED:
        one, other = stream.get(name, {}), batch.get(name, {})
        same = set(one) == set(other) and one and all(
            one[key] == other[key] if isinstance(one[key], int)
            else math.isclose(one[key], other[key], rel_tol=1e-9) for key in one)
        if not same:
            found.wrong("batch", "%s: %r by the stream, %r by the file" % (name, one, other))
