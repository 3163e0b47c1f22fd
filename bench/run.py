#!/usr/bin/python3
"""Measures the daemons beside their peers in one run; prints tables and writes bench/RESULTS.md.

    python3 bench/run.py                      everything, in a quarter of an hour
    python3 bench/run.py --only=http,fanout   some sections (nothing is written without --output)
    python3 bench/run.py --only=fanout,framings,fanout-peers,replay,publish,stalled   pubsub alone
    python3 bench/run.py --only=durable,leases,journal   what leases and the journal cost
    python3 bench/run.py --only=bridge,bridge-latency,bridge-peers,to-file,from-file   the bridges
    python3 bench/run.py --only=reader,reader-latency,reader-peers   queuereader
    python3 bench/run.py --only=algorithms    ns an update of each algorithm
    python3 bench/run.py --only=store         the stores and the tasks on them
    python3 bench/run.py --only=bandit        events, picks, and the way from one to the other
    python3 bench/run.py --runs=1             a quick look
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # a run leaves nothing behind but its results

import algorithms_sections
import bandit_sections
import bridge_sections
import durable_sections
import harness
import pubsub_sections
import reader_sections
import sections
import store_sections
from report import Report

SECTIONS = sections.ALL | pubsub_sections.ALL | durable_sections.ALL | bridge_sections.ALL \
    | reader_sections.ALL | algorithms_sections.ALL | store_sections.ALL | bandit_sections.ALL
WRITTEN = os.path.join(harness.ROOT, "bench", "RESULTS.md")


class Rounds:
    """Runs contenders in turns and keeps the median of each figure."""

    def __init__(self, runs, deadline, report):
        self.runs = runs
        self.deadline = deadline
        self.report = report

    def measure(self, name, cases, runs=None):
        """`cases`: {key: function returning a dict of figures}. Returns {key: medians or None}."""
        seen = {key: [] for key in cases}
        failed = {}
        wanted = min(runs or self.runs, self.runs)
        done = 0
        for done in range(1, wanted + 1):
            for key, case in cases.items():
                if key in failed:
                    continue
                try:
                    seen[key].append(case())
                except (harness.BenchError, OSError, ValueError, subprocess.SubprocessError) as error:
                    failed[key] = error
                    self.report.note(f"{name}, {key}: not measured: {error}")
                    harness.note(f"  {key}: {error}")
            harness.note(f"{name}: round {done} of {wanted}")
            if time.monotonic() > self.deadline and done < wanted:
                self.report.note(f"{name}: {done} rounds instead of {wanted}; the time was up.")
                break
        return {key: None if key in failed else medians(seen[key]) for key in cases}


def medians(outcomes):
    return {name: statistics.median(o[name] for o in outcomes) for name in outcomes[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="rounds; figures are medians (default 5)")
    parser.add_argument("--seconds", type=int, default=1, help="seconds a measurement (default 1)")
    parser.add_argument("--only", default="", help="sections, with commas between: " + ", ".join(SECTIONS))
    parser.add_argument("--max-time", type=int, default=900, help="seconds after which rounds are cut short")
    parser.add_argument("--output", help="file to write (default with all sections: bench/RESULTS.md)")
    parser.add_argument("--peers", action="store_true", help="fail when a peer is not installed")
    parser.add_argument("--bin", default=harness.BIN, help=f"folder of the daemons (default {harness.BIN})")
    parser.add_argument("--bench", default=harness.BENCH, help=f"folder of the loads (default {harness.BENCH})")
    arguments = parser.parse_args()
    harness.BIN, harness.BENCH = arguments.bin, arguments.bench
    chosen = [s for s in arguments.only.split(",") if s] or list(SECTIONS)
    for name in chosen:
        if name not in SECTIONS:
            parser.error(f"--only={name}: must be among {', '.join(SECTIONS)}")
    if arguments.runs < 1 or arguments.seconds < 1:
        parser.error("--runs and --seconds must be at least 1")
    peers = ("nginx", "redis-server", "redis-benchmark", "beanstalkd", "nats-server") if arguments.peers else ()
    for program in ("wrk", "taskset", *peers):
        if harness.find(program) is None:
            print(f"bench: {program} is not installed (`make bench-peers` installs it)", file=sys.stderr)
            return 1

    for path in (f"{harness.BENCH}/epoll_loop", f"{harness.BIN}/simplequeue", f"{harness.BIN}/pubsub"):
        if not os.access(os.path.join(harness.ROOT, path), os.X_OK):
            print(f"bench: {path} is not built (`make all benches` builds it)", file=sys.stderr)
            return 1

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # unwinds, so that every server is stopped
    harness.raise_descriptor_limit()
    started = time.monotonic()
    report = Report()
    rounds = Rounds(arguments.runs, started + arguments.max_time, report)
    context = {}
    for name in chosen:
        SECTIONS[name](rounds, arguments.seconds, report, context)
    command = os.environ.get("BENCH_COMMAND") or "python3 bench/run.py" + "".join(
        f" {a}" for a in sys.argv[1:])
    text = report.text(command, time.monotonic() - started, arguments.runs)
    print(text)
    output = arguments.output or (WRITTEN if chosen == list(SECTIONS) else None)
    if output:
        with open(output, "w", encoding="utf-8") as file:
            file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
