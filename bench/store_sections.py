"""What the stores do, and the tasks of queuereader on them. Sections as in sections.py.

Rows without a server are google-benchmark's (store_bench). Redis is on the server core, and who asks it on the load
core; beside a reader, which is on the server core, Redis and the queue are on the load core.
"""

import contextlib
import csv
import functools
import json
import os
import statistics
import subprocess
import tempfile
import time

import harness
from bridge_sections import Program, on_load_core
from durable_sections import data_folder
from harness import BenchError, Client
from reader_sections import until_finished
from report import number, table

QUICK = ("--benchmark_min_time=0.05", "--benchmark_repetitions=3")
INCREMENTS = 10e6  # a second
PIPELINED = {"HINCRBY": ("hincrby", ("hincrby", "bench|peer hash", "field", "1")),
             "ZINCRBY": ("zincrby", ("zincrby", "bench|peer set", "1", "member"))}
PEER_COMMANDS = 200_000
EDGES = 200_000  # messages, of 100 bytes
NODES = 1000


def cpu_rows(answer):
    """[(store, what, median ns, least ns)] of google-benchmark's JSON, which has a figure a repetition."""
    seen = {}
    for run in answer["benchmarks"]:
        if run.get("run_type") == "iteration" and not run.get("error_occurred"):
            name, _, rest = run.get("run_name", run["name"]).partition("/")
            count = rest.split("/")[0]
            if count.isdigit():
                name += f", {int(count):,} keys"
            store = "file" if name.startswith("File") else "memory"
            seen.setdefault((store, name.removeprefix("File")), []).append(1e9 / run["items_per_second"])
    return [(*key, statistics.median(nanos), min(nanos)) for key, nanos in seen.items()]


def store_rows(report):
    path = os.path.join(harness.ROOT, harness.BENCH, "store_bench")
    try:
        with data_folder() as folder:
            done = subprocess.run(harness.pinned(harness.LOAD_CORE, path, "--benchmark_format=json", *QUICK),
                                  capture_output=True, text=True, check=True, timeout=120,
                                  env=os.environ | {"TMPDIR": folder})
        rows = cpu_rows(json.loads(done.stdout))
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        report.note(f"store, memory and file: not measured: {error}")
        return
    report.section("Stores in this process: ns a command, one core", table(
        ["store", "command", "median", "least", "commands/s"],
        [(store, what, number(median, 1), number(least, 1), number(1e9 / median)) for store, what, median, least in rows]))
    medians = {(store, what): median for store, what, median, _least in rows}
    few = medians.get(("memory", "Increment, 1,000 keys"))
    many = medians.get(("memory", "Increment, 1,000,000 keys"))
    report.aim("memory store: Increment, 1,000 keys: a second", f">= {INCREMENTS:,.0f}", number(few and 1e9 / few),
               few and 1e9 / few >= INCREMENTS)
    report.aim("memory store: Increment, 1,000,000 keys over 1,000", "flat but for two cache misses (<= 250 ns more)",
               number(many and few and many - few) + " ns more", many and few and many - few <= 250)


def asked(server, kind, seconds):
    """store_redis_load; .cpu_us is the server's, a command (a group of Once() and a command)."""
    before = harness.cpu_ns(server.pid)
    done = subprocess.run(harness.pinned(harness.LOAD_CORE, f"{harness.BENCH}/store_redis_load", str(server.port),
                                         str(seconds), kind),
                          cwd=harness.ROOT, capture_output=True, text=True, timeout=seconds + 30, check=False)
    words = done.stdout.split()
    if done.returncode or len(words) != 2:
        raise BenchError(f"store_redis_load {kind}: {done.stderr.strip() or done.stdout}")
    spent = harness.cpu_ns(server.pid) - before
    return {"a_second": float(words[1]), "cpu_us": spent / 1e3 / (float(words[1]) * seconds)}


def peer(server, command):
    before = harness.cpu_ns(server.pid)
    done = subprocess.run(harness.pinned(harness.LOAD_CORE, harness.find("redis-benchmark"), "-p", str(server.port),
                                         "-P", "100", "-c", "1", "-n", str(PEER_COMMANDS), "--csv", *command),
                          capture_output=True, text=True, timeout=60, check=True)
    spent = harness.cpu_ns(server.pid) - before
    rows = list(csv.reader(done.stdout.splitlines()))
    return {"a_second": float(rows[-1][rows[0].index("rps")]), "cpu_us": spent / 1e3 / PEER_COMMANDS}


def redis_rows(rounds, seconds, report):
    with harness.redis() as server:
        cases = {}
        for name, (kind, command) in PIPELINED.items():
            cases[f"{name}, 100 a batch"] = functools.partial(asked, server, kind, seconds)
            if harness.find("redis-benchmark"):
                cases[f"{name}, redis-benchmark -P 100 -c 1"] = functools.partial(peer, server, command)
        cases["MergeMoments (script), 100 a batch"] = functools.partial(asked, server, "moments", seconds)
        cases["MergeMoments (script), 1,000 keys, 100 a batch"] = functools.partial(asked, server, "keyed-moments", seconds)
        cases["groups Once + HashAddNumbers of 136, 240 a batch"] = functools.partial(asked, server, "numbers", seconds)
        cases["groups Once + SortedAdd, one set, 500 a batch"] = functools.partial(asked, server, "once", seconds)
        cases["groups Once + SortedAdd, a set a node, 500 a batch"] = functools.partial(asked, server, "edges", seconds)
        cases["groups Once + HashIncrement, 500 a batch"] = functools.partial(asked, server, "counts", seconds)
        got = rounds.measure("store, redis", cases, runs=2)
    report.section("Redis store: one client on one core, redis-server on the other", table(
        ["what", "a second", "redis-server CPU us"],
        [(name, number(g and g["a_second"]), number(g and g["cpu_us"], 2)) for name, g in got.items()]))
    for name in PIPELINED:
        ours, theirs = got[f"{name}, 100 a batch"], got.get(f"{name}, redis-benchmark -P 100 -c 1")
        ratio = theirs["a_second"] / ours["a_second"] if ours and theirs else None
        report.aim(f"redis store: {name}, 100 a batch: redis-benchmark -P 100 over it", "<= 1.2", number(ratio, 2),
                   ratio and ratio <= 1.2)
    merges = got["MergeMoments (script), 100 a batch"]
    report.aim("redis store: moments merged by the script a second", ">= 50,000", number(merges and merges["a_second"]),
               merges and merges["a_second"] >= 50e3)


def edge(i):
    """100 bytes of JSON: an edge, and a value."""
    mixed = (i * 0x9E3779B97F4A7C15) % 2**64
    text = '{"from":"node %d","to":"node %d","value":%d,"pad":"' % (
        (mixed >> 40) % NODES, (mixed >> 20) % NODES, (mixed >> 30) % 100)
    return (text + "x" * (98 - len(text)) + '"}').encode()


def fill(port):
    client = Client(port)
    for begin in range(0, EDGES, 1000):
        client.ask("/mput", b"\n".join(map(edge, range(begin, begin + 1000))))
    client.reset()


@contextlib.contextmanager
def redis_on_load_core():
    with harness.redis() as server:
        for task in os.listdir(f"/proc/{server.pid}/task"):
            os.sched_setaffinity(int(task), {harness.LOAD_CORE})
        yield server


def reads(task, shared, readers=1):
    with contextlib.ExitStack() as stack:
        queue = stack.enter_context(on_load_core("simplequeue"))
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(redis_on_load_core()) if shared else None
        fill(queue.port)
        options = [f"--task={task},store=shared", f"--store=redis://127.0.0.1:{redis.port}"] if redis else [f"--task={task}"]
        began = time.monotonic()
        programs = [stack.enter_context(Program(
            "queuereader", f"--source=http://127.0.0.1:{queue.port}", "--mget-items=500", "--log-level=warning",
            f"--failed-message-dir={folder}", *options)) for _ in range(readers)]
        seconds = until_finished(queue.port, EDGES, programs, began)
        return {"messages_per_s": EDGES / seconds,
                "cpu_us": sum(harness.cpu_ns(program.pid) for program in programs) / 1e3 / EDGES,
                "redis_us": harness.cpu_ns(redis.pid) / 1e3 / EDGES if redis else 0}


def shared_tasks(rounds, report):
    graph, histogram = "graph:from=from,to=to", "histogram:field=value,scale=integer"
    cases = {"graph, local": functools.partial(reads, graph, False),
             "histogram, local": functools.partial(reads, histogram, False),
             "graph, shared": functools.partial(reads, graph, True),
             "histogram, shared": functools.partial(reads, histogram, True),
             "graph, shared by three readers": functools.partial(reads, graph, True, 3)}
    got = rounds.measure("store, tasks", cases, runs=1)
    report.section("queuereader's tasks on a store; 100-byte messages, readers on one core, Redis and the queue on the other",
                   table(["task", "messages/s", "readers' CPU us/message", "redis-server CPU us/message"],
                         [(name, number(g and g["messages_per_s"]), number(g and g["cpu_us"], 2),
                           number(g and g["redis_us"] or None, 2)) for name, g in got.items()]))
    one = got["graph, shared"]
    report.aim("queuereader --task=graph:…,store=shared on Redis: edges a second", ">= 100,000",
               number(one and one["messages_per_s"]), one and one["messages_per_s"] >= 100e3)


def store(rounds, seconds, report, _context):
    store_rows(report)
    if harness.find("redis-server") is None:
        report.note("redis-server: not installed; the Redis store and shared tasks were not measured.")
        return
    redis_rows(rounds, seconds, report)
    shared_tasks(rounds, report)


ALL = {"store": store}
