"""What leases and the journal cost: sections as in sections.py. Data folders lie on the disk under build/."""

import contextlib
import functools
import os
import shutil
import signal
import tempfile
import threading
import time

import harness
from harness import BenchError, Client, Server, depth, fill, rss_bytes, wrk
from report import number, table

LEASE_MARGIN = 200_000  # messages a second that one-at-a-time leases may take
BATCH_MARGIN = {"memory": 6_000_000, "--sync=none": 4_000_000}  # the same of leases of 100
STANDING = 100_000  # messages that never finish while the journal is cleaned
SEGMENT_BYTES = 4 << 20
SYNCS = ("none", "1s", "50ms", "always")


@contextlib.contextmanager
def data_folder():
    parent = os.path.join(harness.ROOT, "build")
    os.makedirs(parent, exist_ok=True)
    path = tempfile.mkdtemp(prefix="bench_data_", dir=parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def durable_queue(sync, *options):
    with data_folder() as folder:
        with harness.simplequeue(f"--data-path={folder}", f"--sync={sync}", *options) as server:
            yield server


@contextlib.contextmanager
def durable_redis(policy):
    with data_folder() as folder:
        port = harness.free_port()
        with Server([harness.find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder,
                     "--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0"],
                    port) as server:
            yield server


@contextlib.contextmanager
def beanstalkd(sync_ms):
    with data_folder() as folder:
        port = harness.free_port()
        with Server([harness.find("beanstalkd"), "-l", "127.0.0.1", "-p", str(port), "-b", folder, f"-f{sync_ms}"],
                    port) as server:
            yield server


def loaded(program, server, seconds, *options):
    """A run of one of our load generators."""
    outcome = harness.run_json([f"{harness.BENCH}/{program}", f"--port={server.port}", f"--seconds={seconds}",
                                f"--server-pid={server.pid}", *options], seconds)
    if outcome["refused"]:
        raise BenchError(f"{program} {' '.join(options)}: {outcome['refused']} answers were not those of success")
    return outcome


def ratio(ours, theirs):
    return ours / theirs if ours and theirs else None


def busy_percent(outcome):
    return outcome and outcome["cpu_us_per_request"] * outcome["requests_per_s"] / 1e4


# Leases.

def leases(rounds, seconds, report, _context):
    def work(start, which, where):
        with start() as server:
            if which == "batch":
                while depth(server) < BATCH_MARGIN[where] * seconds:
                    wrk(server, "mput", 64, 1)
            elif which == "lease":
                fill(server, int(LEASE_MARGIN * (seconds + 0.5)))
            outcome = loaded("lease_load", server, seconds, f"--work={which}")
            if outcome["empty"]:
                raise BenchError(f"the queue ran dry under --work={which}")
            return outcome

    journal = functools.partial(durable_queue, "none")
    names = {"plain": "/put and /get in turns", "lease": "/get?lease and /finish in turns",
             "batch": "/mget?items=100&lease and one /finish"}
    harness.touch_memory(3 << 30)
    cases = {(which, where): functools.partial(work, start, which, where)
             for where, start in (("memory", harness.simplequeue), ("--sync=none", journal)) for which in names}
    got = rounds.measure("leases", cases)
    def figure(which, name, where="memory"):
        return (got[which, where] or {}).get(name)
    report.section("Leases of 100-byte messages, 64 connections", table(
        ["work", "where", "requests/s", "messages/s", "CPU us/request", "server busy %"],
        [(names[which], where, number(figure(which, "requests_per_s", where)),
          number(figure(which, "messages_per_s", where)), number(figure(which, "cpu_us_per_request", where), 2),
          number(busy_percent(got[which, where])))
         for which, where in cases]))
    plain, lease = figure("plain", "requests_per_s"), figure("lease", "requests_per_s")
    report.aim("lease and finish, one a request, 64 connections: requests/s", ">= 0.9 x plain put and get",
               f"{number(lease)} / {number(plain)} = {number(ratio(lease, plain), 2)}",
               lease >= 0.9 * plain if lease and plain else None)
    batch = figure("batch", "messages_per_s")
    report.aim("/mget?items=100&lease and one /finish: messages/s", ">= 2,000,000", number(batch),
               batch and batch >= 2e6)


# Puts that are safe.

def disk(seconds, *options):
    with data_folder() as folder:
        return harness.run_json([f"{harness.BENCH}/fdatasync_loop", f"--file={folder}/log", f"--seconds={seconds}",
                                 *options], seconds)


def put_cases(seconds):
    """{name: function returning figures}: who puts one message of 100 bytes a request, from 64 connections."""
    def ours(start, script="put"):
        with start() as server:
            return wrk(server, script, 64, seconds)

    def theirs(start, peer):
        with start() as server:
            outcome = loaded("peer_load", server, seconds, f"--peer={peer}")
            return outcome | {"cpu_us": outcome["cpu_us_per_request"]}

    def one_sync_a_put(*options):
        outcome = disk(seconds, *options)
        return outcome | {"requests_per_s": outcome["per_s"]}

    cases = {"one fdatasync a put": one_sync_a_put,
             "one fdatasync a put, in a file of full length": functools.partial(one_sync_a_put, "--allocated"),
             "simplequeue in memory": functools.partial(ours, harness.simplequeue)}
    for sync in SYNCS:
        cases[f"simplequeue --sync={sync}"] = functools.partial(ours, functools.partial(durable_queue, sync))
    cases["simplequeue --sync=always, /mput of 100"] = functools.partial(
        ours, functools.partial(durable_queue, "always"), "mput")
    if harness.find("redis-server"):
        for policy in ("everysec", "always"):
            cases[f"redis-server appendfsync {policy}"] = functools.partial(
                theirs, functools.partial(durable_redis, policy), "redis")
    if harness.find("beanstalkd"):
        for sync_ms in (50, 0):
            cases[f"beanstalkd -b DIR -f{sync_ms}"] = functools.partial(
                theirs, functools.partial(beanstalkd, sync_ms), "beanstalkd")
    return cases


def durable(rounds, seconds, report, _context):
    os.sync()  # what others have written must not share the disk with what is measured
    for peer in ("redis-server", "beanstalkd"):
        if not harness.find(peer):
            report.note(f"{peer}: not installed.")
    cases = put_cases(seconds)
    got = rounds.measure("durable", cases)
    def figure(name, key="requests_per_s"):
        return (got.get(name) or {}).get(key)
    rows = []
    for name in cases:
        messages = 100 if "/mput" in name else 1
        rate, cpu = figure(name), figure(name, "cpu_us")
        rows.append((name, number(rate and rate * messages), number(cpu and cpu / messages, 2),
                     number(figure(name, "p50_us")), number(figure(name, "p99_us"))))
    report.section("Puts of 100 bytes that are kept, 64 connections",
                   table(["server", "messages/s", "CPU us/message", "p50 us", "p99 us"], rows))
    durable_aims(report, figure)
    half_the_peak(rounds, seconds, report)


def durable_aims(report, figure):
    always, memory = figure("simplequeue --sync=always"), figure("simplequeue in memory")
    single = max(figure("one fdatasync a put") or 0, figure("one fdatasync a put, in a file of full length") or 0)
    wanted = min(30 * single, 0.6 * memory) if single and memory else None
    report.aim("--sync=always, one put a request: puts/s", "30 x one fdatasync a put, or 0.6 x in memory if less",
               f"{number(always)}: {number(ratio(always, single), 1)} x {number(single)}, "
               f"{number(ratio(always, memory), 2)} x {number(memory)}", always >= wanted if always and wanted else None)
    peer = figure("redis-server appendfsync always")
    report.aim("--sync=always, one put a request: puts/s", ">= redis-server appendfsync always",
               f"{number(always)} / {number(peer)}", always >= peer if always and peer else None)
    batch = figure("simplequeue --sync=always, /mput of 100")
    report.aim("--sync=always, /mput of 100: messages/s", ">= 200,000", number(batch and batch * 100),
               batch and batch * 100 >= 200_000)
    none = figure("simplequeue --sync=none")
    report.aim("--sync=none, one put a request: puts/s", ">= 0.7 x in memory",
               f"{number(none)} / {number(memory)} = {number(ratio(none, memory), 2)}",
               none >= 0.7 * memory if none and memory else None)


def half_the_peak(rounds, seconds, report):
    """Latency at half of what the disk allows at that moment: it is timed, and the peak taken, in each round anew."""
    def at_half():
        before = disk(seconds)
        with durable_queue("always") as server:
            peak = wrk(server, "put", 64, seconds)["requests_per_s"]
            outcome = loaded("rate_load", server, seconds, f"--rate={peak / 2:.0f}")
        after = disk(seconds)
        sync_us = (before["p50_us"] + after["p50_us"]) / 2
        return {"rate": peak / 2, "sync_us": sync_us, "sync_p99_us": max(before["p99_us"], after["p99_us"]), "p50_us": outcome["p50_us"], "p99_us": outcome["p99_us"],
                "syncs": outcome["p99_us"] / sync_us}

    got = rounds.measure("durable latency", {"put": at_half})["put"] or {}
    report.section("Durable puts at half the peak of --sync=always, 64 connections", table(
        ["puts/s", "p50 us", "p99 us", "one fdatasync, p50 us", "and its p99", "a put's p99 in median fdatasyncs"],
        [[number(got.get(key)) for key in ("rate", "p50_us", "p99_us", "sync_us", "sync_p99_us")]
         + [number(got.get("syncs"), 2)]]))
    report.aim("p99 of a durable put at half the peak", "< 3 x the median fdatasync",
               f"{number(got.get('p99_us'))} / {number(got.get('sync_us'))} us = {number(got.get('syncs'), 2)}",
               got["syncs"] < 3 if got else None)


# What is kept: in memory, on disk, and what comes back.

def folder_bytes(folder):
    total = 0
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # a segment that has just gone
            total += os.stat(os.path.join(folder, name)).st_size
    return total


def lease_all(server, messages):
    client = Client(server.port)
    for _ in range(messages // 100):
        client.ask("/mget?items=100&lease=12h")
    client.reset()
    if depth(server) != 0:
        raise BenchError(f"{depth(server)} of {messages} messages are not leased")


def leased_million(start):
    with start() as server:
        fill(server, 1_000_000)
        full = rss_bytes(server.pid)
        lease_all(server, 1_000_000)
        return {"ready": full, "leased": rss_bytes(server.pid)}


def bytes_a_message(put):
    """Of a journal, beside the body of 100 bytes. Segments are allocated whole: zeros at their end are not counted."""
    with data_folder() as folder:
        with harness.simplequeue(f"--data-path={folder}", "--sync=none") as server:
            put(server)
            messages = depth(server)
        used = 0
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as file:
                used += len(file.read().rstrip(b"\0"))
        return {"bytes": used / messages - 100}


def put_alone(server):
    client = Client(server.port)
    for _ in range(20_000):
        client.ask("/put", b"x" * 100)
    client.reset()


def put_batches(server):
    client = Client(server.port)
    for _ in range(1_000):
        client.ask("/mput", b"\n".join([b"x" * 100] * 100))
    client.reset()


def recovery():
    """A million messages, killed with -9, and back: seconds until requests are served."""
    with data_folder() as folder:
        with harness.simplequeue(f"--data-path={folder}", "--sync=none") as server:
            fill(server, 1_000_000)
            os.kill(server.pid, signal.SIGKILL)
            server.process.wait()
        begin = time.monotonic()
        with harness.simplequeue(f"--data-path={folder}", "--sync=none") as server:
            seconds = time.monotonic() - begin
            if depth(server) != 1_000_000:
                raise BenchError(f"{depth(server)} of 1,000,000 messages came back")
            return {"seconds": seconds, "bytes": rss_bytes(server.pid)}


def cleaning(standing, seconds):
    """Puts and gets in turns while `standing` messages never finish; and how long the folder became."""
    with data_folder() as folder:
        with harness.simplequeue(f"--data-path={folder}", "--sync=none", f"--segment-bytes={SEGMENT_BYTES}") as server:
            if standing:
                fill(server, standing)
                lease_all(server, standing)
            longest = 0
            over = threading.Event()
            def watch():
                nonlocal longest
                while not over.wait(0.01):
                    longest = max(longest, folder_bytes(folder))
            watcher = threading.Thread(target=watch)
            watcher.start()
            try:
                outcome = wrk(server, "turns", 64, seconds)
            finally:
                over.set()
                watcher.join()
            return outcome | {"longest": longest}


def journal(rounds, seconds, report, _context):
    cases = {"leased": functools.partial(leased_million, harness.simplequeue),
             "leased, kept": functools.partial(leased_million, functools.partial(durable_queue, "none")),
             "one alone": functools.partial(bytes_a_message, put_alone),
             "one a request": functools.partial(bytes_a_message, lambda server: wrk(server, "put", 64, seconds)),
             "of 100": functools.partial(bytes_a_message, put_batches),
             "recovery": recovery,
             "clean": functools.partial(cleaning, 0, seconds),
             "standing": functools.partial(cleaning, STANDING, seconds)}
    got = rounds.measure("journal", cases, runs=3)
    def figure(name, key):
        return (got[name] or {}).get(key)
    mb = lambda value: number(value and value / 1e6, 1)
    report.section(f"A million messages of 100 bytes ({min(3, rounds.runs)} rounds)", table(
        ["what", "measured"],
        [("resident, ready, in memory", mb(figure("leased", "ready")) + " MB"),
         ("resident, leased, in memory", mb(figure("leased", "leased")) + " MB"),
         ("resident, leased, --sync=none", mb(figure("leased, kept", "leased")) + " MB"),
         ("resident, after recovery", mb(figure("recovery", "bytes")) + " MB"),
         ("recovery after kill -9", number(figure("recovery", "seconds"), 2) + " s"),
         ("on disk beside the body, puts of one connection", number(figure("one alone", "bytes"), 1) + " bytes"),
         ("on disk beside the body, puts of 64 connections", number(figure("one a request", "bytes"), 1) + " bytes"),
         ("on disk beside the body, /mput of 100", number(figure("of 100", "bytes"), 1) + " bytes")]))
    leased = figure("leased", "leased")
    report.aim("a million leased 100-byte messages: resident", "<= 180 MB", mb(leased) + " MB",
               leased and leased <= 180e6)
    most = [figure(name, "bytes") for name in ("one alone", "one a request", "of 100")]
    report.aim("on disk, a message beside its body", "<= 32 bytes", " / ".join(number(b, 1) for b in most),
               max(most) <= 32 if all(most) else None)
    back = figure("recovery", "seconds")
    report.aim("recovery of a million messages", "< 3 s", number(back, 2) + " s", back and back < 3)
    cleaning_figures(report, figure, seconds)


def cleaning_figures(report, figure, seconds):
    report.section(f"Cleaning: /mput and /mget of 100 in turns, --sync=none, segments of 4 MiB, {seconds} s", table(
        ["beside", "messages/s in", "CPU us/message", "the folder's most MB"],
        [(beside, number(figure(name, "requests_per_s") and figure(name, "requests_per_s") * 50),
          number(figure(name, "cpu_us") and figure(name, "cpu_us") / 50, 3),
          number(figure(name, "longest") and figure(name, "longest") / 1e6, 1))
         for beside, name in (("nothing", "clean"), (f"{STANDING:,} messages that never finish", "standing"))]))
    longest = figure("standing", "longest")
    # Those under way: a message batch a connection. 20 bytes a record beside the body, as the journal counts.
    live = (STANDING + 64 * 100) * 120
    report.aim("the folder, beside messages that never finish", "< 2 x live bytes + 2 segments",
               f"{number(longest and longest / 1e6, 1)} / {number((2 * live + 2 * SEGMENT_BYTES) / 1e6, 1)} MB",
               longest < 2 * live + 2 * SEGMENT_BYTES if longest else None)


ALL = {"durable": durable, "leases": leases, "journal": journal}
