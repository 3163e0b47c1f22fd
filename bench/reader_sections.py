"""What queuereader does. Sections as in sections.py.

The reader runs on the server core, its queue on the load core, but where it says otherwise.
"""

import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import time

import harness
import reader_loops
from bridge_sections import Program, on_load_core
from durable_sections import data_folder
from harness import BenchError, Client
from report import number, table

MESSAGES = 1_000_000  # of 100 bytes
SLOW_MESSAGES = 100_000  # of loops in Python
FED_MESSAGES = 300_000  # of those that are fed: their start counts little then
LATENCY_RATE = 10_000


def fill(port, messages):
    client = Client(port)
    for begin in range(0, messages, 1000):
        client.ask("/mput", b"\n".join(map(reader_loops.message, range(begin, begin + 1000))))
    client.reset()


def finished(client):
    stats = json.loads(client.ask("/stats?format=json"))
    return stats["finished"] or stats["gets"] - stats["requeues"]


def until_finished(port, messages, programs, began):
    """Seconds from `began` until that many messages are done with."""
    client = Client(port)
    deadline = time.monotonic() + 120
    while finished(client) < messages:
        for program in programs:
            program.check()
        if time.monotonic() > deadline:
            raise BenchError(f"{finished(client):,} of {messages:,} messages after two minutes: {programs[0].tail()}")
        time.sleep(0.003)
    ended = time.monotonic()
    client.reset()
    return ended - began


def reads(messages, *options, readers=1, peak=True):
    """So many readers on a queue that holds the messages already."""
    with on_load_core("simplequeue") as queue, contextlib.ExitStack() as stack:
        fill(queue.port, messages)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        began = time.monotonic()
        programs = []
        for i in range(readers):
            program = stack.enter_context(Program(
                "queuereader", f"--source=http://127.0.0.1:{queue.port}", "--mget-items=500", "--log-level=warning",
                f"--failed-message-dir={folder}", *options, core=harness.LOAD_CORE if i else harness.SERVER_CORE))
            programs.append(program)
        seconds = until_finished(queue.port, messages, programs, began)
        cpu = sum(harness.cpu_ns(program.pid) for program in programs)
        return {"messages_per_s": messages / seconds, "cpu_us": cpu / 1e3 / messages, "busy": cpu / 1e9 / seconds / readers,
                "peak_bytes": harness.peak_rss_bytes(programs[0].pid) if peak else 0}


def rows(got):
    return [(name, number(g and g["messages_per_s"]), number(g and g.get("cpu_us"), 2),
             number(g and g.get("busy") and g["busy"] * 100), number(g and g.get("peak_bytes") and g["peak_bytes"] / 1e6, 1))
            for name, g in got.items()]


HEADS = ["what", "messages/s", "CPU us/message", "reader busy %", "peak MB"]


def reader(rounds, _seconds, report, _context):
    moments = "--task=moments:field=number"
    with data_folder() as folder:
        def checkpointed():
            with tempfile.TemporaryDirectory(dir=folder) as state:
                return reads(MESSAGES, moments, f"--checkpoint-dir={state}")

        forty = [f"--task=moments:field=number,name=m{i}" for i in range(40)]
        cases = {"moments": functools.partial(reads, MESSAGES, moments),
                 "moments, --checkpoint-dir": checkpointed,
                 "moments, --lease=0 (popped)": functools.partial(reads, MESSAGES, moments, "--lease=0"),
                 "40 moments, one reader": functools.partial(reads, MESSAGES // 2, *forty),
                 "40 moments, two readers": functools.partial(reads, MESSAGES // 2, *forty, readers=2)}
        got = rounds.measure("reader", cases, runs=3)
    report.section("queuereader: lease, parse, task, finish; 100-byte messages, a reader on one core (3 rounds)",
                   table(HEADS, rows(got)))
    one = got["moments"]
    report.aim("queuereader --mget-items=500 --task=moments", ">= 400 k messages/s", number(one and one["messages_per_s"]),
               one and one["messages_per_s"] >= 400e3)
    single, double = got["40 moments, one reader"], got["40 moments, two readers"]
    ratio = double["messages_per_s"] / single["messages_per_s"] if single and double else None
    report.aim("two readers on one queue, one on the queue's own core", ">= 1.8 x one", number(ratio, 2),
               ratio and ratio >= 1.8)


def latency(rounds, seconds, report, _context):
    """From the moment a message was due to be put to the run of a task."""
    def load():
        with on_load_core("simplequeue") as queue, tempfile.TemporaryDirectory() as folder:
            command = harness.pinned(harness.SERVER_CORE, f"{harness.BENCH}/reader_latency",
                                     f"--source=http://127.0.0.1:{queue.port}", "--exit-when-empty=1s",
                                     "--summary-format=json", "--log-level=warning", f"--failed-message-dir={folder}")
            with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=harness.ROOT) as program:
                try:
                    time.sleep(0.3)  # until it waits for messages
                    put_at_rate(queue.port, LATENCY_RATE, seconds * 2)
                    out, _ = program.communicate(timeout=30)
                finally:
                    program.kill()
        found = json.loads(out)["tasks"][0]["summary"]
        if found["messages"] != LATENCY_RATE * seconds * 2:
            raise BenchError(f"{found['messages']:,} messages came")
        return {name: found[name] for name in ("p50_ms", "p99_ms", "max_ms")}

    got = rounds.measure("reader latency", {"queuereader": load})["queuereader"]
    report.section(f"From put to task, long polls, {LATENCY_RATE:,} messages/s", table(
        ["p50 ms", "p99 ms", "longest ms"],
        [tuple(number(got and got[k], 2) for k in ("p50_ms", "p99_ms", "max_ms"))]))
    report.aim(f"p99 from put to task at {LATENCY_RATE:,} messages/s", "< 5 ms", number(got and got["p99_ms"], 2) + " ms",
               got and got["p99_ms"] < 5)


def put_at_rate(port, rate, seconds):
    os.sched_setaffinity(0, {harness.LOAD_CORE})
    try:
        client = Client(port)
        began = time.monotonic_ns() + 50_000_000
        step = 10_000_000_000 // rate
        for i in range(rate * seconds // 10):
            due = began + i * step
            while (early := due - time.monotonic_ns()) > 0:
                time.sleep(early / 1e9)
            client.ask("/mput", b"\n".join([b'{"sent":%d}' % due] * 10))
        client.reset()
    finally:
        os.sched_setaffinity(0, range(os.cpu_count()))


def reader_peers(rounds, _seconds, report, _context):
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
    loops = [python, os.path.join(harness.ROOT, "bench", "reader_loops.py")]
    task = " ".join([*harness.pinned(harness.LOAD_CORE, *loops), "task"])

    def timed(command, messages):
        began = time.monotonic()
        done = subprocess.run(command, shell=isinstance(command, str), cwd=harness.ROOT, capture_output=True, timeout=120,
                              check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise BenchError(f"{command}: {done.stderr[-300:].decode(errors='replace')}")
        return {"messages_per_s": messages / seconds}

    def pipe():
        with tempfile.NamedTemporaryFile() as file:
            file.writelines(reader_loops.message(i) + b"\n" for i in range(FED_MESSAGES))
            file.flush()
            return timed(f"taskset -c {harness.SERVER_CORE} cat {file.name} | {task} > /dev/null", FED_MESSAGES)

    def program():
        with harness.Server([f"{harness.BIN}/simplequeue", "--port=0"]) as queue, tempfile.TemporaryDirectory() as folder:
            fill(queue.port, FED_MESSAGES)
            command = [f"{harness.BIN}/queuereader", f"--source=http://127.0.0.1:{queue.port}", "--mget-items=500",
                       f"--task=exec:{task}", f"--failed-message-dir={folder}", "--log-level=warning"]
            began = time.monotonic()
            with subprocess.Popen(harness.pinned(harness.SERVER_CORE, *command), cwd=harness.ROOT) as process:
                try:
                    return {"messages_per_s": FED_MESSAGES / until_finished(queue.port, FED_MESSAGES, [], began)}
                finally:
                    process.terminate()

    def blpop():
        with harness.redis() as server:
            subprocess.run([*loops, "fill-redis", str(server.port), str(SLOW_MESSAGES)], check=True)
            return timed([*harness.pinned(harness.LOAD_CORE, *loops), "redis", str(server.port), str(SLOW_MESSAGES)],
                         SLOW_MESSAGES)

    def over_http(messages, items):
        with harness.simplequeue() as queue:
            fill(queue.port, messages)
            return timed([*harness.pinned(harness.LOAD_CORE, *loops), "http", str(queue.port), str(messages), str(items)],
                         messages)

    cases = {"queuereader, exec: the Python task": program,
             "the Python task on a pipe (cat FILE | python3)": pipe,
             "Python loop over HTTP, 500 leased at a time": functools.partial(over_http, SLOW_MESSAGES, 500),
             "Python loop over HTTP, 1 leased at a time": functools.partial(over_http, SLOW_MESSAGES // 10, 1)}
    if harness.find("redis-server"):
        cases["Python loop over redis BLPOP"] = blpop
    else:
        report.note("redis-server: not installed.")
    got = rounds.measure("reader-peers", cases, runs=3)
    report.section("The same task in Python on one core, what feeds it on the other; 100-byte messages (3 rounds)", table(
        ["what", "messages/s"], [(name, number(g and g["messages_per_s"])) for name, g in got.items()]))
    ours, plain = (got[name] for name in list(cases)[:2])
    ratio = ours["messages_per_s"] / plain["messages_per_s"] if ours and plain else None
    report.aim("exec: Python task over the same loop on a pipe", ">= 0.8", number(ratio, 2), ratio and ratio >= 0.8)


ALL = {"reader": reader, "reader-latency": latency, "reader-peers": reader_peers}
