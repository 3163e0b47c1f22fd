"""Three readers of one queue count clicks into one Redis, while readers, queue, Redis and connections are
killed; what the Redis holds is in the end what a plain count over the same messages gives.

Each is a function of a seed and of how much is done, and returns a Found (bridge_rig.py).
"""

import collections
import json
import math
import os
import signal
import time

from bridge_rig import Found, Kept, Queue
from history import make_random
from programs import folder
from reader_kills import END_SECONDS, Feeder
from shim import ROOT

from harness import get, post, wait_until  # after programs, which knows where it is
from redis_server import RedisServer

READERS = 3
REAL = os.path.join(ROOT, "../shared/data/usagov_clicks.jsonl")
# A bucket's width is a power of two: which bucket an age is in needs no rounding here or there.
BUCKETS, WIDTH = 1024, 2 ** 18
TASKS = ("moments:field=t,minus=hc,name=age",
         "histogram:field=t,minus=hc,low=0,high=%d,buckets=%d,name=ages" % (BUCKETS * WIDTH, BUCKETS),
         "quantiles:field=t,minus=hc,name=quantiles", "distinct:field=u,name=targets",
         "top:field=c,k=50,name=countries", "graph:from=r,to=u,prefix=links:,name=links")
# What is ended, by weight; "stop": a reader by SIGTERM.
EVENTS = (("reader", 6), ("stop", 1), ("queue", 2), ("redis", 2), ("connections", 3))


def some_clicks(random, count):
    """Clicks, each fifth or so from a page that many come from, and heartbeats among them."""
    lines = []
    for number in range(count):
        if number % 29 == 28:
            lines.append(b'{"_heartbeat_":%d}' % number)
            continue
        at = 1331923247 + number
        lines.append(json.dumps({
            "c": random.choice(("US", "US", "US", "BR", "DE", "\u00fc")),
            "r": "direct" if random.random() < .2 else "http://from.example/%d" % random.expovariate(.1),
            "u": "http://to.example/%d" % random.expovariate(.05),
            "t": at, "hc": at - int(random.lognormvariate(12, 2))}).encode())
    return lines


def real_clicks():
    with open(REAL, "rb") as file:
        return file.read().splitlines()


class Clicks(Feeder):
    """Puts the lines one after the other, again and again, at most `most`."""

    def __init__(self, queue, random, per_second, lines, most):
        super().__init__(queue, random, per_second)
        self.lines, self.most = lines, most

    def put(self, count):
        count = min(count, self.most - self.count)
        if count <= 0:
            self.stopping = True
            return
        body = b"\n".join(self.lines[(self.count + i) % len(self.lines)] for i in range(count))
        answer = post(self.queue.url("/mput"), body)
        if answer.status != 200:
            raise AssertionError("%d %r" % (answer.status, answer.body))
        self.count += count


class Counted:
    """What a plain program finds in the lines."""

    def __init__(self, lines):
        events = [json.loads(line) for line in lines]
        clicks = [event for event in events if "t" in event and "hc" in event]
        self.all = len(events)
        self.ages = [click["t"] - click["hc"] for click in clicks]
        self.histogram = collections.Counter(bucket_of(age) for age in self.ages)
        self.graph = collections.Counter((event["r"], event["u"]) for event in events
                                         if "r" in event and "u" in event)
        self.countries = collections.Counter(event["c"] for event in events
                                             if isinstance(event.get("c"), str))
        self.targets = collections.Counter(event["u"] for event in events if "u" in event)


def bucket_of(age):
    return "underflow" if age < 0 else "overflow" if age >= BUCKETS * WIDTH else str(age // WIDTH)


class Rig:
    """The queue, the Redis and the readers."""

    def __init__(self, base, redis, random, checkpoints, lease):
        self.redis, self.random = redis, random
        self.queue = Queue(base, sync="none")
        self.queue.start()
        self.stops = collections.Counter()
        self.readers = [self.a_reader(base, number, checkpoints, lease) for number in range(READERS)]
        for reader in self.readers:
            reader.start()

    def a_reader(self, base, number, checkpoints, lease):
        state = os.path.join(base, "state")
        os.makedirs(state, exist_ok=True)
        return Kept("queuereader", "--source=http://127.0.0.1:%d" % self.queue.port,
                    *("--task=%s,store=shared" % task for task in TASKS),
                    "--store=" + self.redis.url, "--lease=" + lease,
                    "--mget-items=%d" % self.random.choice((20, 100, 500)), "--requeue-delay=20ms",
                    "--max-tries=5", "--max-backoff=0s", "--sleeptime-failed-queue=20ms",
                    "--drain-timeout=500ms", "--failed-message-dir=" + os.path.join(base, "failed"),
                    *(("--checkpoint-dir=" + state, "--checkpoint-name=reader%d" % number,
                       "--checkpoint-every=50ms") if checkpoints else ()), listens=False)

    def disturb(self, feeder, found, longest):
        """One of what may happen; another may happen to the readers while a server is away."""
        names, weights = zip(*EVENTS)
        event = self.random.choices(names, weights)[0]
        self.stops[event] += 1
        away = self.random.uniform(0, longest)
        if event == "queue":
            with feeder.up:
                self.queue.kill()
                self.meanwhile(found, away)
                self.queue.start()
        elif event == "redis":
            self.redis.kill()
            self.meanwhile(found, away)
            self.redis.start()
        elif event == "connections":
            self.redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        else:
            self.end_reader(found, event == "stop")

    def meanwhile(self, found, seconds):
        time.sleep(seconds / 2)
        if self.random.random() < 0.5:
            self.stops["reader"] += 1
            self.end_reader(found, False)
        time.sleep(seconds / 2)

    def end_reader(self, found, gently):
        reader = self.random.choice(self.readers)
        if not reader.running():
            found.wrong("ended", "a reader by itself, status %s: %s" % (
                reader.daemon.wait(), reader.daemon.stderr()[-800:]))
        if gently:
            reader.daemon.signal(signal.SIGTERM)
            status = reader.daemon.wait()
            if status not in (0, -15):  # -15: it had not even begun
                found.wrong("exit", "%s after SIGTERM: %s" % (status, reader.daemon.stderr()[-800:]))
        reader.kill()
        reader.start()

    def forget_once(self):
        """As if the store did not know which messages it has."""
        keys = self.redis.ask("KEYS", "rivulet|once|*")
        if keys:
            self.redis.ask("DEL", *keys)

    def queue_counts(self):
        return get(self.queue.url("/stats?format=json")).json()["queues"].get("default")

    def all_done(self):
        counts = self.queue_counts()
        return counts and not any(counts[state] for state in ("depth", "in_flight", "deferred"))


def shared_kills(seed, kills, longest=0.3, per_second=5000, checkpoints=False, lease="2s", real=False,
                 control=False):
    """`kills` disturbances, drawn by the seed. control: the store forgets which messages it has, after
    each of them, so that the test must fail."""
    random = make_random("shared", seed)
    name = "readers that share a Redis killed" + (", with checkpoints" if checkpoints else "") + (
        ", without its memory of messages" if control else "")
    found = Found(name, seed)
    lines = real_clicks() if real else some_clicks(random, 5000)
    with folder() as base, RedisServer("--appendonly", "yes", "--appendfsync", "always") as redis:
        rig = Rig(base, redis, random, checkpoints, lease)
        feeder = Clicks(rig.queue, random, per_second, lines, most=max(10000, kills * 5000))
        feeder.start()
        for _ in range(kills):
            time.sleep(random.uniform(0.02, longest))
            rig.disturb(feeder, found, longest)
            if control:
                rig.forget_once()
        feeder.stopping = True
        feeder.join(END_SECONDS)
        if feeder.error:
            found.wrong("rig", str(feeder.error))
        end(found, rig)
        judge(found, rig, [lines[i % len(lines)] for i in range(feeder.count)])
        rig.queue.kill()
    found.seconds = time.monotonic() - found.began
    return found


def end(found, rig):
    """Until all messages are done; then the readers are stopped, which must end well."""
    try:
        wait_until(rig.all_done, END_SECONDS, "the end of the queue")
    except AssertionError as error:
        found.wrong("end", str(error))
    counts = rig.queue_counts()
    if any(counts[state] for state in ("depth", "in_flight", "deferred", "dead")):
        found.wrong("queue", "%r" % counts)
    for reader in rig.readers:
        reader.daemon.signal(signal.SIGTERM)
        status = reader.daemon.wait()
        if status != 0:
            found.wrong("exit", "%s: %s" % (status, reader.daemon.stderr()[-800:]))
    found.note(", ".join("%d %s" % (rig.stops[event], event) for event, _ in EVENTS))


def judge(found, rig, lines):
    counted, redis = Counted(lines), rig.redis
    clicks = len(counted.ages)
    found.sent = counted.graph.total()
    for prefix, right in (("age", clicks), ("ages", clicks), ("quantiles", clicks),
                          ("targets", counted.targets.total()), ("countries", counted.countries.total())):
        counts = {key: int(value) for key, value in redis.hash(prefix + ":counts").items()}
        want = {"count": right, "skipped": counted.all - right}
        same(found, "counts", prefix + ":counts", {**{"skipped": 0}, **counts}, want)
    same(found, "histogram", "ages", {bucket: int(count) for bucket, count in redis.hash("ages").items()},
         dict(counted.histogram))
    graph = {}
    for key in redis.ask("KEYS", "links:*"):
        node = key.decode()[len("links:"):]
        for target, weight in redis.sorted_set(key.decode()).items():
            graph[node, target] = weight
    same(found, "graph", "links:*", graph, dict(counted.graph))
    same(found, "top", "countries", redis.sorted_set("countries"), dict(counted.countries))
    judge_moments(found, redis.hash("age"), counted.ages)
    judge_quantiles(found, redis.hash("quantiles"), counted.ages)
    # Of the same members, in whatever order and however often, a HyperLogLog is the same.
    redis.ask("PFADD", "the same", *counted.targets)
    same(found, "distinct", "targets", redis.ask("PFCOUNT", "targets"), redis.ask("PFCOUNT", "the same"))
    edges = sum(graph.values())
    found.arrived = round(edges)
    found.missing = max(0, found.sent - found.arrived)
    found.duplicates = max(0, found.arrived - found.sent)


def judge_moments(found, moments, ages):
    n = len(ages)
    if int(moments.get("n", 0)) != n:
        return found.wrong("moments", "n is %s, not %d" % (moments.get("n"), n))
    mean = math.fsum(ages) / n
    second, third, fourth = (math.fsum((age - mean) ** k for age in ages) for k in (2, 3, 4))
    for name, right, most in (("mean", mean, 1e-12), ("m2", second, 1e-10), ("m3", third, 1e-9),
                              ("m4", fourth, 1e-9), ("min", min(ages), 0), ("max", max(ages), 0)):
        if not math.isclose(float(moments[name]), right, rel_tol=most):
            found.wrong("moments", "%s is %s, not %.17g" % (name, moments[name], right))
    return None


def judge_quantiles(found, buckets, ages):
    same(found, "quantiles", "ends", {end: float(buckets.pop(end, "nan")) for end in ("min", "max")},
         {"min": min(ages), "max": max(ages)})
    same(found, "quantiles", "sum", sum(map(int, buckets.values())), len(ages))


def same(found, rule, what, seen, right):
    if seen == right:
        return
    if isinstance(right, dict):
        keys = [key for key in {**right, **seen} if seen.get(key) != right.get(key)]
        sums = sum(seen.values()), sum(right.values())
        seen = {key: seen.get(key) for key in keys[:3]}
        right = {key: right.get(key) for key in keys[:3]}
        what += " (%d differ, %r in sum where %r is right)" % (len(keys), *sums)
    found.wrong(rule, "%s: %r, not %r" % (what, seen, right))
