"""A bridge whose network, source and destination fail, while it itself is well: what the source has
is at the destination in the end, and twice only what a failure explains.

Each is a function of a seed and of how much is done, and returns a Found (bridge_rig.py).
"""

import os
import time

from bridge_rig import (Bridge, Found, Numbers, Publisher, Queue, Source, dead_letters, judge,
                        messages_of)
from history import make_random
from programs import folder
from proxy import PASS, Action, Cut, RequestProxy, StreamProxy

from harness import wait_until

BATCH = 50


def end_of_run(found, numbers, source, queues, bridge, publisher, count, status=0):
    """Waits until all has arrived, ends the bridge and takes the rest; returns what the source has."""
    publisher.join(120)
    if publisher.acknowledged < count:
        found.wrong("publisher", "%d of %d acknowledged" % (publisher.acknowledged, count))
    for queue in queues:
        queue.take_until(numbers, count, bridge)
    try:
        if bridge.stop(status) != status:
            found.wrong("exit", "the bridge ended with %s" % bridge.daemon.process.returncode)
    except AssertionError as error:
        found.wrong("exit", str(error)[-1500:])
    for queue in queues:
        queue.take(numbers)
    found.note(bridge.last_words())
    return source.numbers(numbers)


def destination_plan(random, share, longest, kinds=None):
    """An Action of any kind for a share of the requests. longest: of a stall, longer than the bridge
    waits for an answer."""
    kinds = kinds or ("delay", "refuse", "cut_request", "stall_request", "cut_answer", "stall_answer",
                      "half_answer", "half_request", "garble", "answer")

    def plan(request):
        if random.random() >= share:
            return PASS
        kind = random.choice(kinds)
        seconds = {"delay": random.uniform(0.0, 0.1), "cut_answer": random.choice((0.0, 0.01))}.get(
            kind, random.choice((0.02, 0.05, longest)) if random.random() < 0.3 else 0.01)
        return Action(kind, random.choice((0.0, 0.02, random.random(), 0.99)), seconds,
                      random.choice((500, 503, 429, 408)), random.choice((None, "0", "0")))

    return plan


def source_plan(random, count, longest):
    """The first `count` connections fail in one way or another, somewhere."""
    def plan(number):
        if number >= count:
            return Cut()
        kind = random.choice(("reset", "end", "half", "stall", "garble"))
        if kind == "garble":
            return Cut(kind, random.randrange(12))
        if random.random() < 0.2:
            return Cut(kind, random.randrange(100), 0.05, request=True)
        return Cut(kind, random.choice((random.randrange(300), random.randrange(30000))),
                   random.choice((0.05, longest)))

    return plan


def cuts(seed, count, share=0.2, longest=1.3, max_in_flight=1, most=101, batch=None):
    """Proxies before the destination and behind the source.
    most: bytes a message has. batch: any, when it is not given."""
    random = make_random("cuts", seed)
    found = Found("cuts, %d in flight, up to %d bytes" % (max_in_flight, most), seed)
    numbers = Numbers(seed, most=most)
    batch = batch or random.choice((7, 50, 50, 500))
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        with RequestProxy(queue.port, destination_plan(random, share, longest), seed) as before, \
                StreamProxy(source.port, source_plan(random, 12, 0.3)) as behind:
            bridge = Bridge(["http://127.0.0.1:%d/sub?since=earliest" % behind.port],
                            [before.url("/mput")], "--batch=%d" % batch,
                            "--max-in-flight=%d" % max_in_flight, Bridge.IMPATIENT)
            publisher = Publisher(source, numbers, count, at_a_time=max(1, min(20, 4_000_000 // most)),
                                  pause=0.002)
            publisher.start()
            bridge.start()
            sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
            unheard = sum(len(messages_of(request)) for _, request in before.unheard)
            found.note("%d of %d requests failed, %d messages unheard" % (
                sum(before.done.values()) - before.done["pass"], sum(before.done.values()), unheard))
            judge(found, sent, queue, unheard, in_order=len(before.unheard) if max_in_flight == 1 else None)
        queue.kill()
        source.kill()
    return found


def round_robin(seed, count, restarts=4, share=0.1, longest=1.3):
    """Two destinations that take turns, both behind bad networks, and one of them away at times:
    each message is at one of them."""
    random = make_random("round robin", seed)
    found = Found("round robin", seed)
    numbers = Numbers(seed)
    with folder() as base:
        source = Source(base, sync="none")
        queues = [Queue(base, sync="none"), Queue(base, name="other", sync="none")]
        for program in (source, *queues):
            program.start()
        plan = destination_plan(random, share, longest)
        with RequestProxy(queues[0].port, plan, seed) as one, \
                RequestProxy(queues[1].port, plan, seed) as two:
            bridge = Bridge([source.url()], [one.url("/mput"), two.url("/mput")], "--batch=%d" % BATCH,
                            "--round-robin", "--max-in-flight=2", Bridge.IMPATIENT)
            bridge.start()
            publisher = Publisher(source, numbers, count, at_a_time=20, pause=0.003)
            publisher.start()
            for _ in range(restarts):
                time.sleep(random.uniform(0.05, 0.2))
                queues[0].stop()  # it answers what it has taken
                one.cut_all()
                time.sleep(random.uniform(0.05, 0.2))
                queues[0].start()
            both = Both(queues)
            sent = end_of_run(found, numbers, source, [both], bridge, publisher, count)
            unheard = sum(len(messages_of(request)) for _, request in one.unheard + two.unheard)
        found.note("%d and %d messages, %d unheard, %d restarts" % (
            len(queues[0].arrived), len(queues[1].arrived), unheard, restarts))
        judge(found, sent, both, unheard + restarts * 2 * BATCH)
        for program in (source, *queues):
            program.kill()
    return found


class Both:
    """Two destinations as one."""

    take_until = Queue.take_until

    def __init__(self, queues):
        self.queues, self.arrived, self.unexpected = queues, [], []

    def take(self, numbers):
        taken = sum(queue.take(numbers) for queue in self.queues)
        self.arrived = [number for queue in self.queues for number in queue.arrived]
        self.unexpected = [body for queue in self.queues for body in queue.unexpected]
        return taken


def destination_restarts(seed, restarts, every=1.0, down=0.1, per_second=4000):
    """simplequeue on its data path, killed and told to end by turns."""
    random = make_random("destination", seed)
    found = Found("destination restarted", seed)
    numbers = Numbers(seed)
    count = int(restarts * every * per_second)
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base)
        source.start()
        queue.start()
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH)
        bridge.start()
        publisher = Publisher(source, numbers, count, at_a_time=100, pause=100 / per_second)
        publisher.start()
        for number in range(restarts):
            time.sleep(every * random.uniform(0.5, 1.0))
            if number % 2:
                queue.stop()
            else:
                queue.kill()
            time.sleep(random.uniform(0.0, down))
            queue.start()
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("%d restarts" % restarts)
        # One request is under way when it dies; the last one that a drain answers is heard.
        judge(found, sent, queue, restarts * BATCH, in_order=restarts)
        queue.kill()
        source.kill()
    return found


def source_restarts(seed, kills, every=1.0, per_second=4000):
    """pubsub on its data path, killed and started on its port while a publisher tries again."""
    random = make_random("source", seed)
    found = Found("source killed", seed)
    numbers = Numbers(seed)
    count = int(kills * every * per_second)
    with folder() as base:
        source, queue = Source(base), Queue(base, sync="none")
        source.start()
        queue.start()
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH)
        bridge.start()
        publisher = Publisher(source, numbers, count, at_a_time=100, pause=100 / per_second)
        publisher.start()
        for _ in range(kills):
            time.sleep(every * random.uniform(0.3, 1.0))
            source.kill()
            time.sleep(random.uniform(0.0, 0.1))
            source.start()
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("%d kills, %d publishes repeated" % (kills, publisher.retries))
        # The bridge knows how far it read: nothing is read twice.
        judge(found, sent, queue, 0, in_order=0)
        if sent != list(range(count)):
            found.wrong("source", "it has not what it acknowledged, in order")
        queue.kill()
        source.kill()
    return found


def refusals(seed, count, down=2.0, slow=0.2):
    """A destination that is slow, answers halves, says 500 for `down` s and 400 to some messages for
    good: these are in the dead letters, each once, and all others arrive."""
    random = make_random("refusals", seed)
    found = Found("refusals", seed)
    numbers = Numbers(seed)
    refused = set(random.sample(range(count), max(1, count // 100)))
    began = time.monotonic()

    def plan(request):
        held = messages_of(request)
        choice = random.random()
        if any(numbers.number_of(body) in refused for body in held):
            return Action("answer", status=400)
        if down / 2 < time.monotonic() - began < down * 3 / 2:
            return Action("answer", status=500)
        if choice < 0.02:
            return Action("half_answer", part=random.random())
        if choice < 0.04:
            return Action("stall_answer", part=random.random(), seconds=slow)
        if choice < 0.06:
            return Action("delay", seconds=slow)
        return PASS

    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        letters = os.path.join(base, "dead.jsonl")
        with RequestProxy(queue.port, plan, seed) as before:
            bridge = Bridge([source.url()], [before.url("/mput")], "--batch=%d" % BATCH,
                            "--dead-letter=" + letters)
            bridge.start()
            publisher = Publisher(source, numbers, count, at_a_time=100, pause=0.005)
            publisher.start()
            publisher.join(60)
            queue.take_until(numbers, count - len(refused), bridge)
            wait_until(lambda: len(dead_letters(letters, found)) >= len(refused), 20,
                       "%d dead letters" % len(refused))
            sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count - len(refused))
            unheard = sum(len(messages_of(request)) for _, request in before.unheard)
            found.note("%d requests, %d refused messages" % (sum(before.done.values()), len(refused)))
            judge(found, sent, queue, unheard, without=refused, in_order=len(before.unheard))
        judge_letters(found, numbers, letters, refused)
        queue.kill()
        source.kill()
    return found


def judge_letters(found, numbers, path, refused):
    kept = [numbers.number_of(message) for message, _ in dead_letters(path, found)]
    if sorted(kept, key=str) != sorted(refused, key=str):
        found.wrong("dead letters", "%d of %d refused ones, %d lines" % (
            len(refused & set(kept)), len(refused), len(kept)))
    wrong = [answer for _, answer in dead_letters(path, found) if not answer.startswith("400 proxy")]
    if wrong:
        found.wrong("dead letters", "the answer was 400 proxy, not %r" % wrong[0])


def control(seed, kind, count=3000):
    """A destination's side that loses or doubles: the judge must say so."""
    found = Found("control, " + kind, seed)
    numbers = Numbers(seed)
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        plan = lambda request: Action(kind) if request.number == 5 else PASS  # noqa: E731
        with RequestProxy(queue.port, plan) as proxy:
            bridge = Bridge([source.url()], [proxy.url("/mput")], "--batch=%d" % BATCH)
            bridge.start()
            publisher = Publisher(source, numbers, count, at_a_time=50, pause=0.002)
            publisher.start()
            publisher.join(60)
            queue.take_until(numbers, count, bridge, quiet=0.5)
            bridge.stop()
            queue.take(numbers)
            judge(found, source.numbers(numbers), queue, 0, in_order=0)
        queue.kill()
        source.kill()
    return found


