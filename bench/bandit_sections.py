"""What a bandit's parts do: the collector, picks, and the way of an event to the next pick. Sections as in sections.py.

The collector and the API are on the server core; what they talk to is on the load core, beside who asks them.
"""

import contextlib
import csv
import functools
import json
import os
import random
import socket
import subprocess
import tempfile
import time

import harness
from bridge_sections import on_load_core
from harness import BenchError, Client, Server
from report import number, table

EVENTS = 20_000  # a second, on a core
EVENT_CONNECTIONS = 64
CONNECTIONS = 8
PICKS = {10: 100_000, 1000: 10_000}  # arms: picks a second, on a core
HGETALL_SHARE = 0.6
SAMPLES, SAMPLES_TIME = 200, 15  # of an event's way, and seconds they may take
MAPPING = os.path.join(harness.ROOT, "examples", "shop", "shop.mapping")


def figures(client, path="/stats?format=json"):
    return json.loads(client.ask(path))


def eventually(read, wanted, what, seconds=10):
    deadline = time.monotonic() + seconds
    while (seen := read()) < wanted:
        if time.monotonic() > deadline:
            raise BenchError(f"{what}: {seen:,} of {wanted:,}")
        time.sleep(0.005)


def collector(queue, *options):
    return Server([f"{harness.BIN}/collector", "--port=0", "--log-level=warning", f"--mapping={MAPPING}",
                   f"--destination-post-url=http://127.0.0.1:{queue.port}/mput", *options])


def events(seconds, *options):
    """wrk's figures; .cpu_us is the collector's, until the queue has every message."""
    with on_load_core("simplequeue") as queue, collector(queue, "--batch=100", *options) as server:
        before = harness.cpu_ns(server.pid)
        outcome = harness.wrk(server, "event", EVENT_CONNECTIONS, seconds)
        asked, client = Client(queue.port), Client(server.port)
        taken = figures(client)["messages"]
        if taken < outcome["requests"]:
            raise BenchError(f"{taken:,} messages were made of {outcome['requests']:,} events")
        eventually(lambda: figures(asked)["puts"], taken, "messages in the queue")
        outcome["cpu_us"] = (harness.cpu_ns(server.pid) - before) / 1e3 / taken
        for each in (asked, client):
            each.reset()
        return outcome


def collector_rows(rounds, seconds, report):
    with tempfile.TemporaryDirectory(dir=os.path.join(harness.ROOT, "build")) as folder:
        cases = {"no spool": functools.partial(events, seconds),
                 "spool, --spool-sync=1s": lambda: events(
                     seconds, f"--spool-path={tempfile.mkdtemp(dir=folder)}", "--spool-sync=1s")}
        got = rounds.measure("collector", cases, runs=2)
    report.section(f"collector: events of a shop, one a POST, {EVENT_CONNECTIONS} connections, to a simplequeue on the load core", table(
        ["collector", "events/s", "CPU us/event", "busy %", "p99 us"],
        [(name, number(g and g["requests_per_s"]), number(g and g["cpu_us"], 2),
          number(g and g["server_busy"] * 100), number(g and g["p99_us"])) for name, g in got.items()]))
    for name, g in got.items():
        report.aim(f"collector, {name}: events a second", f">= {EVENTS:,}", number(g and g["requests_per_s"]),
                   g and g["requests_per_s"] >= EVENTS)


@contextlib.contextmanager
def arms(count):
    """The folder of a catalogue of `count` items, and of what is known of each: as after a day of learning."""
    chance = random.Random(8)
    with tempfile.TemporaryDirectory(prefix="bench_arms_") as folder:
        with open(os.path.join(folder, "catalogue"), "w", encoding="ascii") as catalogue, \
                open(os.path.join(folder, "priors"), "w", encoding="ascii") as priors:
            for i in range(count):
                shown = chance.randrange(200, 2000)
                catalogue.write(f"item-{i}\n")
                priors.write(json.dumps({"item": f"item-{i}", "clicks": int(shown * chance.uniform(0.02, 0.2)),
                                         "impressions": shown}) + "\n")
        yield folder


def learning(folder, queue, count, *options):
    """bandit, that learns of `queue`'s messages and keeps the arms in memory."""
    return Server([f"{harness.BIN}/bandit", "--port=0", "--log-level=warning", "--store=memory:",
                   f"--source=http://127.0.0.1:{queue.port}", f"--failed-message-dir={folder}",
                   f"--task=bandit:catalogue={folder}/catalogue,priors={folder}/priors,arms={count},refresh=0", *options])


def has_arms(server, count):
    client = Client(server.port)

    def total():
        return figures(client, "/arms?format=json")["arms_total"]
    eventually(total, count, "arms")
    client.reset()


def picks(count, seconds, rate=None):
    """wrk's figures, or rate_load's at `rate` a second."""
    with arms(count) as folder, on_load_core("simplequeue") as queue, learning(folder, queue, count) as server:
        has_arms(server, count)
        if rate is None:
            return harness.wrk(server, "item", CONNECTIONS, seconds)
        outcome = harness.run_json([f"{harness.BENCH}/rate_load", f"--port={server.port}", f"--rate={rate:.0f}",
                                    f"--seconds={seconds}", "--path=/item", "--body-bytes=0",
                                    f"--connections={CONNECTIONS}", f"--server-pid={server.pid}"], seconds * 3)
        if outcome["refused"]:
            raise BenchError(f"{outcome['refused']} answers were not 200")
        return outcome


def floor(seconds):
    with harness.epoll_loop() as server:
        return harness.wrk(server, "item", CONNECTIONS, seconds)


def pick_rows(rounds, seconds, report):
    cases = {"epoll loop": functools.partial(floor, seconds)} | {
        f"/item, {count:,} arms": functools.partial(picks, count, seconds) for count in PICKS}
    got = rounds.measure("picks", cases, runs=3)
    loop = got["epoll loop"]
    report.section(f"GET /item, {CONNECTIONS} connections, Thompson over arms in memory", table(
        ["server", "requests/s", "of the loop's", "CPU us/request", "busy %", "p99 us"],
        [(name, number(g and g["requests_per_s"]),
          number(g["requests_per_s"] / loop["requests_per_s"] if g and loop else None, 2), number(g and g["cpu_us"], 2),
          number(g and g["server_busy"] * 100), number(g and g["p99_us"])) for name, g in got.items()]))
    for count, aimed in PICKS.items():
        ours = got[f"/item, {count:,} arms"]
        report.aim(f"/item, {count:,} arms: picks a second", f">= {aimed:,}", number(ours and ours["requests_per_s"]),
                   ours and ours["requests_per_s"] >= aimed)
    half = rounds.measure("picks at half the peak", {
        count: functools.partial(picks, count, seconds, got[f"/item, {count:,} arms"]["requests_per_s"] / 2)
        for count in PICKS if got[f"/item, {count:,} arms"]}, runs=2)
    report.section("GET /item at half the peak, a fixed schedule", table(
        ["arms", "p50 us", "p99 us", "p99.9 us", "longest us"],
        [(f"{count:,}", *(number(g and g[k], 1) for k in ("p50_us", "p99_us", "p999_us", "max_us")))
         for count, g in half.items()]))
    for count in PICKS:
        ours = half.get(count)
        report.aim(f"/item, {count:,} arms: p99 at half the peak", "< 1 ms",
                   number(ours and ours["p99_us"] / 1e3, 3) + " ms", ours and ours["p99_us"] < 1000)


def set_hash(port):
    """The prototype's hash of ten items, as fields and values of HSET."""
    fields = [word for i in range(10) for word in (f"c|item-{i}", str(20 + i), f"i|item-{i}", str(400 + i))]
    words = ["HSET", "items", *fields]
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
        if not connection.recv(100).startswith(b":20"):
            raise BenchError("redis-server did not take the hash")


def hgetall(seconds):
    """redis-benchmark's figure at as many connections, redis-server alone on its core."""
    with harness.redis() as server:
        set_hash(server.port)
        done = subprocess.run(harness.pinned(
            harness.LOAD_CORE, harness.find("redis-benchmark"), "-p", str(server.port), "-c", str(CONNECTIONS),
            "-n", str(50_000 * seconds), "--csv", "HGETALL", "items"), capture_output=True, text=True, timeout=60, check=True)
    rows = list(csv.reader(done.stdout.splitlines()))
    return {"a_second": float(rows[-1][rows[0].index("rps")])}


def picks_of_redis(seconds, refresh, beside_load=False):
    """bandit and redis-server on the server core; or redis-server beside wrk on the other."""
    with harness.redis() as redis:
        for task in os.listdir(f"/proc/{redis.pid}/task") if beside_load else ():
            os.sched_setaffinity(int(task), {harness.LOAD_CORE})
        set_hash(redis.port)
        with Server([f"{harness.BIN}/bandit", "--port=0", "--log-level=warning", f"--refresh={refresh}",
                     f"--store=redis://127.0.0.1:{redis.port}"]) as server:
            has_arms(server, 10)
            outcome = harness.wrk(server, "item", CONNECTIONS, seconds)
            return {"a_second": outcome["requests_per_s"], "p99_us": outcome["p99_us"], "cpu_us": outcome["cpu_us"]}


def redis_rows(rounds, seconds, report):
    cases = {"redis-benchmark, HGETALL": functools.partial(hgetall, seconds),
             "/item, --refresh=0": functools.partial(picks_of_redis, seconds, "0"),
             "/item, --refresh=0, redis-server beside wrk": functools.partial(picks_of_redis, seconds, "0", True),
             "/item, --refresh=100ms": functools.partial(picks_of_redis, seconds, "100ms")}
    got = rounds.measure("picks, redis", cases, runs=2)
    theirs, ours = got["redis-benchmark, HGETALL"], got["/item, --refresh=0"]
    report.section(f"Ten arms in Redis, {CONNECTIONS} connections", table(
        ["what", "a second", "of HGETALL's", "bandit's CPU us", "p99 us"],
        [(name, number(g and g["a_second"]), number(g["a_second"] / theirs["a_second"] if g and theirs else None, 2),
          number(g and g.get("cpu_us"), 2), number(g and g.get("p99_us"))) for name, g in got.items()]))
    share = ours["a_second"] / theirs["a_second"] if ours and theirs else None
    report.aim("/item of Redis, --refresh=0, over redis-benchmark's HGETALL", f">= {HGETALL_SHARE}", number(share, 2),
               share and share >= HGETALL_SHARE)


def event_to_pick():
    """Milliseconds from the POST of an event until /arms of the API counts it, through collector and simplequeue."""
    waits = []
    with arms(10) as folder, on_load_core("simplequeue") as queue, collector(queue) as taker, \
            learning(folder, queue, 10) as server:
        has_arms(server, 10)
        sender, asked = Client(taker.port), Client(server.port)

        def shown():  # of the arms themselves, which a draw reads; the totals are read more rarely
            return sum(arm["impressions"] for arm in figures(asked, "/arms?format=json")["arms"])
        before = shown()
        chance = random.Random(8)
        deadline = time.monotonic() + SAMPLES_TIME
        for i in range(SAMPLES):
            if time.monotonic() > deadline:
                break
            time.sleep(chance.uniform(0, 0.01))  # at any time of the API's turns
            event = {"t": "impression", "i": f"sample-{i}", "d": {"item": f"item-{i % 10}", "round": 1}}
            body = json.dumps(event).encode()
            began = time.monotonic()
            # An agent without a name is a program's, which the shop's mapping drops.
            sender.socket.sendall(b"POST /event HTTP/1.1\r\nHost: localhost\r\nUser-Agent: Mozilla/5.0 Firefox/140.0\r\n"
                                  b"Content-Length: %d\r\n\r\n" % len(body) + body)
            no_content(sender)
            eventually(shown, before + i + 1, "impressions", 5)
            waits.append((time.monotonic() - began) * 1e3)
        for client in (sender, asked):
            client.reset()
    waits.sort()
    return {"samples": len(waits), "p50_ms": waits[len(waits) // 2], "p99_ms": waits[len(waits) * 99 // 100],
            "max_ms": waits[-1]}


def no_content(client):
    status = client.file.readline()
    if b" 204 " not in status:
        raise BenchError(f"the collector answered {status!r}")
    while client.file.readline() not in (b"\r\n", b""):
        pass


def way_rows(rounds, report):
    got = rounds.measure("event to pick", {"all": event_to_pick}, runs=1)["all"]
    report.section("From an event to the pick that knows of it: collector, simplequeue, bandit --source, defaults", table(
        ["samples", "p50 ms", "p99 ms", "longest ms"],
        [(number(got and got["samples"]), *(number(got and got[k], 1) for k in ("p50_ms", "p99_ms", "max_ms")))]))
    report.aim("event to updated pick: p99", "< 200 ms", number(got and got["p99_ms"], 1) + " ms", got and got["p99_ms"] < 200)


def bandit(rounds, seconds, report, _context):
    collector_rows(rounds, seconds, report)
    pick_rows(rounds, seconds, report)
    if harness.find("redis-benchmark") and harness.find("redis-server"):
        redis_rows(rounds, seconds, report)
    else:
        report.note("redis-benchmark or redis-server: not installed; picks of a Redis store were not measured.")
    way_rows(rounds, report)


ALL = {"bandit": bandit}
