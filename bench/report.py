"""Turns what was measured into tables, and sets each aim beside its figure."""

import datetime
import os
import platform
import subprocess

from harness import CORES, LOAD_CORE, ROOT, SERVER_CORE, find


def table(headings, rows):
    """A Markdown table with aligned columns; numbers to the right."""
    cells = [[str(c) for c in row] for row in rows]
    widths = [max(len(h), *(len(r[i]) for r in cells)) if cells else len(h)
              for i, h in enumerate(headings)]
    def line(row):
        out = [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:])]
        return "| " + " | ".join(out) + " |"
    rule = "|" + "|".join(["-" * (widths[0] + 2)] + ["-" * (w + 1) + ":" for w in widths[1:]]) + "|"
    return "\n".join([line(headings), rule] + [line(r) for r in cells])


def number(value, digits=0):
    return "-" if value is None else f"{value:,.{digits}f}"


class Report:
    """Collects sections and aims, in the order measured."""

    def __init__(self):
        self.sections = []
        self.aims = []
        self.notes = []

    def section(self, title, text):
        self.sections.append((title, text))

    def aim(self, what, aimed, measured, met):
        """`met` is True, False, or None for "could not be measured"."""
        self.aims.append((what, aimed, measured, {True: "yes", False: "NO", None: "not measured"}[met]))

    def note(self, text):
        self.notes.append(text)

    def text(self, command, seconds, runs):
        parts = ["# Results\n",
                 f"Written by `{command}` on {datetime.date.today().isoformat()}, in "
                 f"{seconds:.0f} seconds; medians of {runs}. Do not edit: run it again.\n",
                 "## Machine\n", machine(), ""]
        if self.aims:
            parts += ["## Aims\n", table(["aim", "aimed at", "measured", "met"], self.aims), ""]
        for title, text in self.sections:
            parts += [f"## {title}\n", text, ""]
        if self.notes:
            parts += ["## Notes\n"] + [f"- {n}" for n in self.notes] + [""]
        parts += ["## How\n", HOW.format(server=SERVER_CORE, load=LOAD_CORE)]
        return "\n".join(parts)


def first_line(*command):
    if find(command[0]) is None:
        return f"{command[0]}: not installed"
    done = subprocess.run([find(command[0]), *command[1:]], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip().splitlines()[0]


def package_version(name):
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not installed"


def machine():
    model = "unknown"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    commit = "a version without git"
    if find("git"):
        commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True,
                                text=True, check=False).stdout.strip() or commit
    return "\n".join([
        f"- {model}, {len(CORES)} cores, {memory:.0f} GiB; Linux {platform.release()}; load average "
        f"at the end {load:.1f}",
        f"- rivulet at {commit}; {first_line('wrk', '-v').split(' Copyright')[0]}; "
        f"{first_line('nginx', '-v')}; {first_line('redis-server', '--version').split(' sha')[0]}; "
        f"{first_line('beanstalkd', '-v')}; {first_line('nats-server', '-v')}; "
        f"nchan {package_version('libnginx-mod-nchan')}"])


HOW = """\
- Server on core {server} (`taskset -c {server}`), load on core {load}. Contenders take turns within each round,
  each freshly started, so that a drift of the machine hits all alike; a figure is the median of
  the rounds.
- CPU a request: the time of the server's threads in `/proc/PID/task/*/schedstat` before and after,
  over the requests answered. It holds the kernel's work for the server's calls, on every contender.
- epoll loop: `bench/epoll_loop.cc`, counts requests and answers a fixed 200 (with a 100-byte body
  beside `/get`). nginx: one process, `return 200` (with a 100-byte body beside `/get`), no access log.
- `/put` and `/get`: `wrk -t1 -cN -s bench/wrk/put.lua http://127.0.0.1:PORT`, one 100-byte message a
  request; `-- 16` after it pipelines. Before `/get` the queue is filled, and a round in which it ran dry
  counts as an error. `/mput` and `/mget`: 100 messages of 100 bytes a request, 64 connections.
  `/mput` alone grows the queue by gigabytes, so it includes the kernel's work for new pages; 4 GiB are touched
  before, so that a virtual machine's host does not have to find them within the measurement. In turns, the queue stays level.
- redis: `redis-benchmark -t lpush,rpop -d 100 -c 64 -P 1` (and 16), no persistence.
- Leases: `bench/lease_load.cc`, 64 connections, puts and gets in turns by the same program.
- Kept puts: `put.lua` as above; beanstalkd and redis-server (LPUSH, `appendonly yes`) by `bench/peer_load.cc`, one message
  under way on each of 64 connections. One fdatasync a put: `bench/fdatasync_loop.cc`, 130 bytes each, on the same disk; the
  aim takes the faster of a file that grows and one of full length. All folders are under `build/`.
- Half the peak of kept puts: in each round one fdatasync after another for a second, the peak by wrk, half of it by
  `rate_load`, and the disk once more; the ratio is taken within the round.
- Latency at half the peak: `bench/rate_load.cc`, a fixed schedule over 64 connections, latency from the
  time a request was due.
- Fan-out: `bench/fanout_load.cc`, one publisher, 100-byte messages, every subscriber's sequence
  checked. "One at a time": a message a POST, the next after its answer. "Full rate": 64 POSTs of one message
  in flight. "Batches": POSTs of 100. "Paced": at most 50,000 deliveries/s, for the latency.
  Latency is from the time a message was due to the read that brought it, so without pace it is mostly
  the time in queues that the publisher fills. Half load: half of what "full rate" published to 1,000 subscribers.
- Fan-out peers: the same program with the same messages. nchan: Debian's module in one nginx process, `nchan_subscriber
  websocket http-chunked`, 16 POSTs in flight, at most 80 messages ahead of the subscribers (it drops what its buffer of
  100 does not hold). nats-server: `PUB`s, each (or each ten) with a `PING` whose `PONG` is the answer, 64 (16) in flight.
- Replay: `bench/drain_load.cc` reads one answer to its end; `bench/sendfile_loop.cc` sends the journal's files by
  sendfile alone, to the same reader.
- Bridges: the bridge on core {server}, pubsub and simplequeue on core {load}. It reads a pubsub's past (`since=earliest`), so
  that no publisher slows it; the time is from its start to the last message put. Latency: `bench/bridge_latency.py`, ten
  messages a publish on a fixed schedule, from when a message was due to when a long poll had brought it.
- What others lose: 3,000 numbered messages at 1,000/s, one a request; the queue (kept on disk) is killed after a second and
  started again a second later. `curl | xargs`: `curl -sN …/sub | xargs -d '\\n' -n 1 curl …/put -d`. nginx: `mirror` of `/pub` to `/put`.
- ps_to_file: the same lines from a pubsub's past in memory; `cat FILE >OUT` and `zstd -3 -T1 -c FILE >OUT`; all files in
  /dev/shm, the page cache without a disk.
- Algorithms: `algorithms_bench`, google-benchmark, CPU time; 65,536 values (100 +- 15) or keys (frequencies as 1/rank) over
  and over into one state that has seen them before; median and least of five. Aims are public libraries' published figures.
- Stores: `store_bench`, google-benchmark, 65,536 keys drawn at random, median of three; memory by CPU
  time, file by the clock. Redis: `store_redis_load` and `redis-benchmark -P 100 -c 1` on the same server (no persistence) in
  turns, client on core {load}. Tasks: readers on core {server}, Redis and the queue on core {load}; redis-server's CPU is
  the time of its threads over the messages, so 1,000,000 over it is what one server can give its readers.
- Stalled subscribers: they connect, ask and never read, until pubsub kicks them.
"""
