"""kill -9 of a bridge, and of everything around it; what it keeps on disk must bring it back to where
nothing is lost, and twice is only what it cannot have written down yet.

Each is a function of a seed and of how much is done, and returns a Found (bridge_rig.py).
"""

import collections
import os
import time

from bridge_faults import destination_plan, end_of_run
from bridge_rig import Bridge, Found, Numbers, Publisher, Queue, Source, judge, messages_of
from history import make_random
from programs import folder
from proxy import RequestProxy
from shim import Fault

BATCH = 50
POSITION_SECONDS = 30.0  # in which one is written, on the busiest machine
SPOOL_MARK_SECONDS = 0.5  # in which the spool has written several times how far it is
KINDS = ("offset-file", "spool", "both")
# Which of these calls at most is one to be killed at, and how long that may take: a position file is
# replaced at the start, and once a second.
JOURNAL_POINTS = {"write": 25, "sync": 6, "create": 3, "rename": 3, "truncate": 3, "allocate": 3,
                  "unlink": 2}
POSITION_POINTS = {"write": 2, "sync": 2, "create": 2, "rename": 2}


class Allowance:
    """How many messages kills of the bridge may double: those of the requests under way, and those that
    came since it last wrote down how far it is: into the offset file, or several times a second into
    the spool."""

    def __init__(self, queue, numbers, batch, in_flight, offset_file=None):
        self.queue, self.numbers = queue, numbers
        self.under_way, self.offset_file = batch * in_flight, offset_file
        self.messages = 0
        self.highest = 0
        self.looked = 0
        self.marked = 0

    def mark(self):
        """What has come by now is surely in the spool when this returns."""
        self.marked = self.arrived()
        time.sleep(SPOOL_MARK_SECONDS)

    def killed(self):
        if self.offset_file:
            self.marked = recorded(self.offset_file)
        # The answer to a request and the note of it are two moments.
        self.messages += 2 * self.under_way + max(0, self.arrived() - self.marked)

    def arrived(self):
        """The first number that did not."""
        if self.queue.running():
            self.queue.take(self.numbers)
        for number in self.queue.arrived[self.looked:]:
            self.highest = max(self.highest, number + 1)
        self.looked = len(self.queue.arrived)
        return self.highest


def recorded(path):
    """The position in an offset file, as a number of ours: a topic's offsets begin with 0."""
    try:
        with open(path, encoding="utf-8") as lines:
            positions = [int(line.split(" ", 1)[0]) for line in lines.read().split("\n")[1:] if line]
            return positions[0] if positions else 0
    except FileNotFoundError:
        return 0


def state_options(base, kind, random):
    state = os.path.join(base, "state")
    os.makedirs(state, exist_ok=True)
    options = []
    if kind in ("offset-file", "both"):
        options.append("--offset-file=" + os.path.join(state, "offsets"))
    if kind in ("spool", "both"):
        options += ["--spool-path=" + os.path.join(state, "spool"),
                    "--spool-sync=" + random.choice(("always", "none", "50ms", "1s")),
                   "--spool-max-bytes=" + random.choice(("1MiB", "1GiB"))]
    return state, options


def offset_file(kind, state):
    return os.path.join(state, "offsets") if kind == "offset-file" else None


def bridge_kills(seed, kills, kind, longest=0.15, per_second=3000, long_every=10):
    """One path of `kills`. Every so often a run is as long as it takes until a position is written, and
    the destination is away for some runs, so that there is something left to be sent."""
    random = make_random("bridge", seed, kind)
    found = Found("bridge killed, " + kind, seed)
    # With long ones the spool often begins a segment.
    numbers = Numbers(seed, most=random.choice((101, 2003)))
    points = collections.Counter()
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        state, options = state_options(base, kind, random)
        in_flight = random.choice((1, 1, 4))
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH,
                        "--max-in-flight=%d" % in_flight, "--drain-timeout=200ms", *options)
        allowance = Allowance(queue, numbers, BATCH, in_flight, offset_file(kind, state))
        publisher = Publisher(source, numbers, 10**9, at_a_time=20, pause=20 / per_second)
        publisher.start()
        for number in range(kills):
            if random.random() < 0.1:
                queue.stop()
            elif not queue.running():
                queue.start()
            if number % long_every == long_every - 1:
                if not queue.running():
                    queue.start()
                until_written_down(bridge, allowance, found)
            else:
                one_kill(bridge, state, random, points, found, random.uniform(0.005, longest),
                         *((POSITION_POINTS, 1.3) if allowance.offset_file else ()))
            allowance.killed()
        if not queue.running():
            queue.start()
        publisher.stopping = True
        publisher.join(30)
        bridge.start("--http-address=127.0.0.1:0")  # is awaited, and so can be told to end
        count = publisher.acknowledged
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("%d kills, %d of them at named points (%s), at most %d messages in doubt" % (
            kills, sum(points.values()), ", ".join("%s %d" % point for point in sorted(points.items())),
            allowance.messages))
        judge(found, sent, queue, allowance.messages, in_order=kills if in_flight == 1 else None)
        queue.kill()
        source.kill()
    return found


def bridge_restarts(seed, restarts, kind, longest=0.15, per_second=3000):
    """SIGTERM is no failure: nothing is lost, nothing doubled, the exit status is 0. The destination is
    away for some runs, where there is a spool to keep what it has not taken."""
    random = make_random("restarts", seed, kind)
    found = Found("bridge restarted, " + kind, seed)
    numbers = Numbers(seed)
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        _, options = state_options(base, kind, random)
        in_flight = random.choice((1, 4))
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH,
                        "--max-in-flight=%d" % in_flight, "--http-address=127.0.0.1:0", *options)
        publisher = Publisher(source, numbers, 10**9, at_a_time=20, pause=20 / per_second)
        publisher.start()
        for _ in range(restarts):
            if not queue.running():
                queue.start()
            elif kind != "offset-file" and random.random() < 0.2:
                queue.stop()
            bridge.start()
            time.sleep(random.uniform(0.0, longest))
            try:
                bridge.stop()
            except AssertionError as error:
                found.wrong("exit", str(error)[-800:])
        if not queue.running():
            queue.start()
        publisher.stopping = True
        publisher.join(30)
        bridge.start()
        count = publisher.acknowledged
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("%d restarts" % restarts)
        judge(found, sent, queue, 0, in_order=0 if in_flight == 1 else None)
        queue.kill()
        source.kill()
    return found


def until_written_down(bridge, allowance, found):
    daemon = bridge.start()
    aim = allowance.arrived() + 1
    place = allowance.offset_file
    deadline = time.monotonic() + POSITION_SECONDS
    while (recorded(place) if place else allowance.arrived()) < aim:
        if time.monotonic() > deadline:
            found.wrong("position", "nothing in %g s, where %d had arrived: %s" % (
                POSITION_SECONDS, allowance.arrived(), daemon.stderr()[-800:]))
            break
        time.sleep(0.02)
    if not place:
        allowance.mark()
    bridge.kill()


def one_kill(program, state, random, points, found, seconds, calls=JOURNAL_POINTS, patience=0.3):
    """A run that ends by kill -9, here or at a named call, or now and then by SIGTERM; or has a disk
    that fails and is killed for that reason or another."""
    hit = state + ".hit"
    if os.path.exists(hit):
        os.unlink(hit)
    fault = None
    if random.random() < 0.5:
        op = random.choice(("write", "sync", *calls))
        action = random.choices(("kill_before", "kill_after", "short_exit", "EIO", "ENOSPC"),
                                (8, 8, 2, 1, 1))[0]
        fault = Fault(state, op, random.randint(1, calls[op]), action, times=random.choice((0, 1)))
        seconds = patience
    started = time.monotonic()
    daemon = program.start(env=fault.env if fault else None)
    while daemon.running() and time.monotonic() < started + seconds:
        time.sleep(0.002)
    ended = not daemon.running()
    if not ended and not fault and random.random() < 0.2:
        daemon.stop(None)  # 1: something waits in memory; -15: it had not even begun
        if daemon.process.returncode not in (0, 1, -15):
            found.wrong("exit", "%s after SIGTERM" % daemon.process.returncode)
    program.kill()
    touched = fault and fault.hit()
    if touched:
        points[touched.split()[0] + " " + fault.action] += 1
    if ended and not (touched and daemon.process.returncode == (1 if fault.action.startswith("E") else -9)):
        found.wrong("ended", "%s by itself, status %s, %s: %s" % (
            program.name, daemon.process.returncode, fault, daemon.stderr()[-800:]))


def soak(seed, ids, seconds, kill_every, kind="spool", batch=500, failing=0.01):
    """T10: ids through pubsub, bridge and queue; a share of the requests fails, and every so often the
    source, the bridge or the queue is killed, by turns."""
    random = make_random("bridge soak", seed, kind)
    found = Found("soak of bridges, " + kind, seed)
    numbers = Numbers(seed)
    with folder() as base:
        source, queue = Source(base), Queue(base)
        source.start()
        queue.start()
        state, options = state_options(base, kind, random)
        with RequestProxy(queue.port, destination_plan(random, failing, 1.3), seed) as proxy:
            bridge = Bridge([source.url()], [proxy.url("/mput")], "--batch=%d" % batch,
                            "--http-address=127.0.0.1:0", Bridge.IMPATIENT, *options)
            bridge.start()
            allowance = Allowance(queue, numbers, batch, 1, offset_file(kind, state))
            publisher = Publisher(source, numbers, ids, at_a_time=500, pause=seconds * 500 / ids)
            publisher.start()
            kills = collections.Counter()
            while publisher.is_alive():
                publisher.join(kill_every * random.uniform(0.7, 1.3))
                victim = (source, bridge, queue)[sum(kills.values()) % 3]
                kills[victim.name] += 1
                if victim is bridge:
                    allowance.mark()
                victim.kill()
                if victim is bridge:
                    allowance.killed()
                elif victim is queue:
                    allowance.messages += batch
                victim.start()
            sent = end_of_run(found, numbers, source, [queue], bridge, publisher, ids)
            unheard = sum(len(messages_of(request)) for _, request in proxy.unheard)
        found.note("%s, %d of %d requests failed, at most %d messages in doubt" % (
            ", ".join("%s killed %d times" % item for item in sorted(kills.items())),
            sum(proxy.done.values()) - proxy.done["pass"], sum(proxy.done.values()),
            allowance.messages + unheard))
        if sent != list(range(ids)):
            found.wrong("source", "it has not what it acknowledged, in order")
        judge(found, sent, queue, allowance.messages + unheard,
              in_order=sum(kills.values()) + len(proxy.unheard))
        queue.kill()
        source.kill()
    return found
