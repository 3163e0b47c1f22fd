"""What the bridges do: ps_to_http, ps_to_file, file_to_http. Sections as in sections.py.

The bridge runs on the server core, what it reads from and writes to on the load core.
"""

import concurrent.futures
import contextlib
import functools
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import harness
from durable_sections import data_folder
from harness import BenchError, Client, Server, wrk
from report import number, table

MESSAGES = 3_000_000  # of 100 bytes, which a bridge finds in the source's past
SINGLE_MESSAGES = 200_000
FILE_MESSAGES = 8_000_000
LATENCY_RATE = 10_000
MEMORY_AIM = 64 << 20


class Program:
    """A bridge on the server core: no server itself, but for --http-address."""

    def __init__(self, name, *options, core=harness.SERVER_CORE):
        self.command = [f"{harness.BIN}/{name}", *options]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(harness.pinned(core, *self.command), stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL, cwd=harness.ROOT)
        self.pid = self.process.pid

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-600:].decode(errors="replace").strip()

    def check(self):
        if self.process.poll() is not None:
            raise BenchError(f"{self.command[0]} ended with {self.process.returncode}: {self.tail()}")

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
                self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


def on_load_core(name, *options):
    server = Server([f"{harness.BIN}/{name}", "--port=0", *options])
    for task in os.listdir(f"/proc/{server.pid}/task"):
        os.sched_setaffinity(int(task), {harness.LOAD_CORE})
    return server


def publish(port, messages, message_bytes=100):
    client = Client(port)
    body = b"\n".join([b"x" * message_bytes] * 1000)
    for _ in range(messages // 1000):
        client.ask("/pub", body)
    client.reset()


def puts(client):
    return json.loads(client.ask("/stats?format=json"))["puts"]


def wait_for(read, wanted, program, seconds=60):
    """Until read() says `wanted`. The time it did."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if read() >= wanted:
            return time.monotonic()
        program.check()
        time.sleep(0.005)
    raise BenchError(f"{read():,} of {wanted:,} messages after {seconds} s: {program.tail()}")


def through_bridge(messages, *options, bridge="ps_to_http", path="/mput"):
    """From the past of a pubsub into a simplequeue."""
    with on_load_core("pubsub", "--retain-bytes=2GiB") as source, on_load_core("simplequeue") as queue:
        publish(source.port, messages)
        client = Client(queue.port)
        began = time.monotonic()
        with Program(bridge, f"--pubsub-url=http://127.0.0.1:{source.port}/sub?since=earliest",
                     f"--destination-post-url=http://127.0.0.1:{queue.port}{path}", *options) as program:
            ended = wait_for(lambda: puts(client), messages, program)
            outcome = {"messages_per_s": messages / (ended - began), "cpu_us": harness.cpu_ns(program.pid) / 1e3 / messages,
                       "peak_bytes": harness.peak_rss_bytes(program.pid),
                       "busy": harness.cpu_ns(program.pid) / 1e9 / (ended - began)}
        if (arrived := puts(client)) != messages:
            raise BenchError(f"{messages:,} published, {arrived:,} put")
        client.reset()
        return outcome


def bridge(rounds, seconds, report, _context):
    with data_folder() as folder:
        def spooled():
            with tempfile.TemporaryDirectory(dir=folder) as spool:
                return through_bridge(MESSAGES, "--batch=500", f"--spool-path={spool}/spool", "--spool-max-bytes=4GiB")

        def plain_puts(connections):
            with harness.simplequeue() as server:
                return {"messages_per_s": wrk(server, "put", connections, seconds)["requests_per_s"]}

        cases = {"--batch=500": lambda: through_bridge(MESSAGES, "--batch=500"),
                 "--batch=500, spool": spooled}
        for slots in (1, 16):
            cases[f"one a POST, --max-in-flight={slots}"] = functools.partial(
                through_bridge, SINGLE_MESSAGES, f"--max-in-flight={slots}", path="/put")
            cases[f"plain /put, {slots} connections (wrk)"] = functools.partial(plain_puts, slots)
        got = rounds.measure("bridge", cases, runs=3)
    report.section("pubsub -> ps_to_http -> simplequeue, 100-byte messages, bridge on one core (3 rounds)", table(
        ["what", "messages/s", "CPU us/message", "bridge busy %", "peak MB"],
        [(name, number(g and g["messages_per_s"]), number(g and g.get("cpu_us"), 3),
          number(g and g.get("busy") and g["busy"] * 100), number(g and g.get("peak_bytes") and g["peak_bytes"] / 1e6, 1))
         for name, g in got.items()]))
    batched = got["--batch=500"]
    report.aim("pubsub -> ps_to_http --batch=500 -> simplequeue", ">= 500 k messages/s",
               number(batched and batched["messages_per_s"]), batched and batched["messages_per_s"] >= 500e3)
    report.aim("its memory", "<= 64 MB", number(batched and batched["peak_bytes"] / 1e6, 1) + " MB",
               batched and batched["peak_bytes"] <= MEMORY_AIM)
    for slots in (1, 16):
        ours, plain = got[f"one a POST, --max-in-flight={slots}"], got[f"plain /put, {slots} connections (wrk)"]
        ratio = ours["messages_per_s"] / plain["messages_per_s"] if ours and plain else None
        report.aim(f"one message a POST, {slots} at a time, over plain /put", ">= 0.5", number(ratio, 2),
                   ratio and ratio >= 0.5)


def latency(rounds, seconds, report, _context):
    """From the moment a message was due to be published to when a long poll brought it from the queue."""
    def load():
        with on_load_core("pubsub") as source, on_load_core("simplequeue") as queue:
            with Program("ps_to_http", f"--pubsub-url=http://127.0.0.1:{source.port}", "--batch=500",
                         f"--destination-post-url=http://127.0.0.1:{queue.port}/mput") as program:
                client = Client(source.port)
                deadline = time.monotonic() + 10
                while b"connected at" not in client.ask("/clients"):
                    program.check()
                    if time.monotonic() > deadline:
                        raise BenchError("ps_to_http did not subscribe within 10 s")
                client.reset()
                return harness.run_json([sys.executable, "bench/bridge_latency.py", str(source.port), str(queue.port),
                                         str(LATENCY_RATE), str(seconds * 2)], seconds * 2)

    got = rounds.measure("bridge latency", {"ps_to_http": load})["ps_to_http"]
    report.section(f"From publish to queued through ps_to_http --batch=500, {LATENCY_RATE:,} messages/s", table(
        ["p50 ms", "p99 ms", "longest ms"],
        [tuple(number(got and got[k], 2) for k in ("p50_ms", "p99_ms", "max_ms"))]))
    report.aim(f"p99 from publish to queued at {LATENCY_RATE:,} messages/s", "< 10 ms",
               number(got and got["p99_ms"], 2) + " ms", got and got["p99_ms"] < 10)


MIRROR_CONF = """\
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  upstream source {{ server 127.0.0.1:{source}; keepalive 64; }}
  upstream queue {{ server 127.0.0.1:{queue}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    proxy_http_version 1.1; proxy_set_header Connection "";
    location /pub {{ mirror /put; proxy_pass http://source; }}
    location = /put {{ internal; proxy_pass http://queue; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx_mirror(source, queue):
    directory = tempfile.mkdtemp(prefix="bench_mirror_")
    try:
        port = harness.free_port()
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(MIRROR_CONF.format(dir=directory, port=port, source=source.port, queue=queue.port))
        with Server([harness.find("nginx"), "-p", directory, "-c", conf], port) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def restarted_queue(queue, away_seconds):
    """The queue goes away for a while: SIGKILL, and the same again on its port with the same data."""
    command = [a if not a.startswith("--port=") else f"--port={queue.port}" for a in queue.command]
    queue.process.kill()
    queue.process.wait()
    time.sleep(away_seconds)
    return Server(command, queue.port)


def losses(how, folder):
    """Publishes numbered messages at 1,000/s for 3 s while the queue is away for 1 s; what is missing afterwards."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(1))
        source = stack.enter_context(on_load_core("pubsub"))
        queue = on_load_core("simplequeue", f"--data-path={tempfile.mkdtemp(dir=folder)}", "--sync=none")
        stack.callback(lambda: queue.stop())
        port, total, mover = source.port, 3000, None
        if how == "nginx mirror":
            port = stack.enter_context(nginx_mirror(source, queue)).port
        elif how == "curl | xargs":
            mover = subprocess.Popen(
                ["sh", "-c", f"curl -sN 'http://127.0.0.1:{source.port}/sub?multipart=0' | "
                 f"xargs -d '\\n' -n 1 curl -s -o /dev/null http://127.0.0.1:{queue.port}/put -d"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            stack.callback(lambda: (os.killpg(mover.pid, signal.SIGTERM), mover.wait()))
        else:
            stack.enter_context(Program("ps_to_http", f"--pubsub-url=http://127.0.0.1:{source.port}", "--max-backoff=200ms",
                                        f"--destination-post-url=http://127.0.0.1:{queue.port}/put"))
        time.sleep(0.5)
        client = Client(port)
        began = time.monotonic()
        for i in range(total):
            if i == total // 3:
                restarted = pool.submit(restarted_queue, queue, 1)
            while (early := began + i / 1000 - time.monotonic()) > 0:
                time.sleep(early)
            client.ask("/pub", b"%d" % i)
        queue = restarted.result()
        last, quiet = -1, time.monotonic()
        while time.monotonic() - quiet < 3:  # until nothing has come for 3 s
            with urllib.request.urlopen(f"http://127.0.0.1:{queue.port}/dump", timeout=10) as answer:
                arrived = set(answer.read().split())
            if len(arrived) != last:
                last, quiet = len(arrived), time.monotonic()
            time.sleep(0.2)
        client.reset()
        return {"sent": total, "lost": total - last}


def bridge_peers(rounds, seconds, report, _context):
    def xargs():
        with on_load_core("pubsub", "--retain-bytes=1GiB") as source, on_load_core("simplequeue") as queue:
            publish(source.port, 10_000)
            client = Client(queue.port)
            mover = subprocess.Popen(harness.pinned(
                harness.SERVER_CORE, "sh", "-c",
                f"curl -sN 'http://127.0.0.1:{source.port}/sub?multipart=0&since=earliest' | "
                f"xargs -d '\\n' -n 1 curl -s -o /dev/null http://127.0.0.1:{queue.port}/put -d"), start_new_session=True)
            try:
                time.sleep(seconds * 2)
                return {"messages_per_s": puts(client) / (seconds * 2)}
            finally:
                os.killpg(mover.pid, signal.SIGTERM)
                mover.wait()

    def mirror():
        with on_load_core("pubsub") as source, on_load_core("simplequeue") as queue:
            with nginx_mirror(source, queue) as server:
                wrk(server, "pub", 16, seconds)
                client = Client(queue.port)
                return {"messages_per_s": puts(client) / seconds}

    contenders = {"curl | xargs curl": xargs}
    if harness.find("nginx"):
        contenders["nginx mirror, 16 connections"] = mirror
    else:
        report.note("nginx mirror: not installed.")
    got = rounds.measure("bridge peers", contenders, runs=3)
    report.section("Other ways from a stream to a queue, one message a request (3 rounds)", table(
        ["what", "messages/s"], [(name, number(g and g["messages_per_s"])) for name, g in got.items()]))
    with data_folder() as folder:
        lost = rounds.measure("bridge losses", {how: functools.partial(losses, how, folder)
                                                for how in ("ps_to_http", "curl | xargs", "nginx mirror")
                                                if how != "nginx mirror" or harness.find("nginx")}, runs=1)
    report.section("What each loses when the queue is away for a second of three, 1,000 messages/s (1 round)", table(
        ["what", "sent", "lost"], [(name, number(g and g["sent"]), number(g and g["lost"])) for name, g in lost.items()]))
    ours = lost["ps_to_http"]
    report.aim("lost by ps_to_http while the queue was away", "0", number(ours and ours["lost"]), ours and ours["lost"] == 0)


@contextlib.contextmanager
def page_cache_folder():
    """A folder that no disk slows: tmpfs is the page cache alone."""
    folder = tempfile.mkdtemp(prefix="bench_rivulet_", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def folder_bytes(folder):
    return sum(os.path.getsize(f) for f in glob.glob(f"{folder}/**", recursive=True) if os.path.isfile(f))


def to_file(rounds, _seconds, report, _context):
    """ps_to_file from a pubsub's past into the page cache, beside cat and zstd of the same bytes."""
    line = b'{"time":%d,"user":"u%d","path":"/%x/index.html","status":200,"bytes":%d,"agent":"Mozilla"}'
    body_of = [b"\n".join(line % (1700000000 + i, i * 7919 % 9973, i * 2654435761 % 2**32, i * 31 % 65536)
                          for i in range(j * 1000, j * 1000 + 1000)) for j in range(200)]
    with page_cache_folder() as folder, on_load_core("pubsub", "--retain-bytes=4GiB") as source:
        client = Client(source.port)
        plain = os.path.join(folder, "plain")
        with open(plain, "wb") as file:
            for i in range(FILE_MESSAGES // 1000):
                client.ask("/pub", body_of[i % len(body_of)])
                file.write(body_of[i % len(body_of)] + b"\n")
        client.reset()
        plain_bytes = os.path.getsize(plain)

        def ps_to_file(*options):
            out = tempfile.mkdtemp(dir=folder)
            try:
                began = time.monotonic()
                port = harness.free_port()
                with Program("ps_to_file", f"--pubsub-url=http://127.0.0.1:{source.port}/sub?since=earliest",
                             f"--filename-format={out}/clicks", f"--http-address=127.0.0.1:{port}", "--sync=none",
                             *options) as program:
                    deadline = time.monotonic() + 10
                    asking = None
                    while asking is None and time.monotonic() < deadline:
                        with contextlib.suppress(OSError):
                            asking = Client(port)
                    ended = wait_for(lambda: json.loads(asking.ask("/stats?format=json"))["written"], FILE_MESSAGES, program)
                    spent = harness.cpu_ns(program.pid)
                    return {"bytes_per_s": plain_bytes / (ended - began), "out": folder_bytes(out),
                            "cpu_s": spent / 1e9}
            finally:
                shutil.rmtree(out)

        def command(*words):
            out = os.path.join(folder, "out")
            began = time.monotonic()
            with open(out, "wb") as file:
                subprocess.run(harness.pinned(harness.SERVER_CORE, *words), stdout=file, check=True)
            took = time.monotonic() - began
            outcome = {"bytes_per_s": plain_bytes / took, "out": os.path.getsize(out), "cpu_s": took}
            os.unlink(out)
            return outcome

        cases = {"ps_to_file": ps_to_file, "cat": lambda: command("cat", plain),
                 "ps_to_file --compress=zstd --compress-level=3": lambda: ps_to_file("--compress=zstd", "--compress-level=3")}
        if harness.find("zstd"):
            cases["zstd -3 -T1"] = lambda: command("zstd", "-q", "-3", "-T1", "-c", plain)
        got = rounds.measure("ps_to_file", cases, runs=3)
    report.section(f"A stream of {FILE_MESSAGES:,} JSON lines, {plain_bytes / 1e9:.2f} GB, into the page cache (3 rounds)", table(
        ["what", "MB/s of lines", "MB written", "CPU s"],
        [(name, number(g and g["bytes_per_s"] / 1e6), number(g and g["out"] / 1e6, 1), number(g and g["cpu_s"], 2))
         for name, g in got.items()]))

    def rate(name):
        return (got.get(name) or {}).get("bytes_per_s")
    ours, cat = rate("ps_to_file"), rate("cat")
    report.aim("ps_to_file, uncompressed", ">= 1 GB/s, or 0.8 x cat", f"{number(ours and ours / 1e9, 2)} GB/s; cat {number(cat and cat / 1e9, 2)}",
               ours >= min(1e9, 0.8 * cat) if ours and cat else None)
    ours, zstd = rate("ps_to_file --compress=zstd --compress-level=3"), rate("zstd -3 -T1")
    report.aim("ps_to_file, zstd level 3", ">= zstd -3 -T1", f"{number(ours and ours / 1e6)} / {number(zstd and zstd / 1e6)} MB/s",
               ours >= zstd if ours and zstd else None)


def from_file(rounds, _seconds, report, _context):
    with page_cache_folder() as folder:
        path = os.path.join(folder, "lines")
        with open(path, "wb") as file:
            for _ in range(MESSAGES // 1000):
                file.write((b"x" * 100 + b"\n") * 1000)

        def load():
            with on_load_core("simplequeue") as queue:
                client = Client(queue.port)
                began = time.monotonic()
                with Program("file_to_http", "--batch=500", f"--destination-post-url=http://127.0.0.1:{queue.port}/mput",
                             path) as program:
                    status = program.process.wait(60)
                    ended = time.monotonic()
                if status != 0 or puts(client) != MESSAGES:
                    raise BenchError(f"file_to_http ended with {status}, {puts(client):,} of {MESSAGES:,} put")
                client.reset()
                return {"messages_per_s": MESSAGES / (ended - began)}

        got = rounds.measure("file_to_http", {"file_to_http --batch=500": load}, runs=3)
    report.section("file_to_http, 100-byte lines into /mput (3 rounds)", table(
        ["what", "messages/s"], [(name, number(g and g["messages_per_s"])) for name, g in got.items()]))


ALL = {"bridge": bridge, "bridge-latency": latency, "bridge-peers": bridge_peers, "to-file": to_file, "from-file": from_file}
