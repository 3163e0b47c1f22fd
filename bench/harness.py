"""Starts servers pinned to one core, loads them from the other, reads their CPU and memory.

Every process is started with a port of its own on loopback and ended by its pid.
"""

import contextlib
import glob
import json
import mmap
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
BIN = "build/bin"  # where the daemons are, from the root; run.py may set it
BENCH = "build/release/bench"  # where the load generators are
PATIENCE = 30  # seconds that a load generator may take beyond its own time


class BenchError(Exception):
    """Something that makes a measurement worthless; the message says what."""


def pinned(core, *command):
    return ["taskset", "-c", str(core), *command]


def raise_descriptor_limit():
    """Lets this process and its children open as many descriptors as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_ns(pid):
    """User and system time of all threads of a process, in nanoseconds."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as file:
            total += int(file.read().split()[0])
    if total == 0:
        raise BenchError(f"process {pid} has no CPU time in /proc: it is gone, or the kernel keeps none")
    return total


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no VmRSS: it has ended")


def peak_rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"process {pid} has no VmHWM: it has ended")


def touch_memory(size_bytes):
    """Makes a virtual machine's host give memory before it is measured: a page's first use there costs microseconds."""
    with open("/proc/meminfo", encoding="ascii") as file:
        available = next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    with mmap.mmap(-1, max(mmap.PAGESIZE, min(size_bytes, available // 2))) as pages:
        for offset in range(0, len(pages), mmap.PAGESIZE):
            pages[offset] = 1


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A running server: .pid, .port, .command."""

    def __init__(self, command, port=None):
        self.command = command
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            pinned(SERVER_CORE, *command), stdout=subprocess.PIPE if port is None else self.log,
            stderr=self.log, stdin=subprocess.DEVNULL, cwd=ROOT)
        self.pid = self.process.pid
        try:
            self.port = port or self._announced_port()
            self._wait_until_it_accepts()
        except BaseException:
            self.stop()
            raise

    def _announced_port(self):
        deadline = time.monotonic() + 10
        text = b""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.process.stdout], [], [], 0.2)
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else None
            if piece == b"":
                break
            text += piece or b""
            for line in text.splitlines():
                if line.startswith(b"listening on ") and text.endswith(b"\n"):
                    return int(line.rsplit(b":", 1)[1])
        raise BenchError(f"{self.command[0]} did not say where it listens: {self.tail()}")

    def _wait_until_it_accepts(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        raise BenchError(f"{self.command[0]} does not accept connections: {self.tail()}")

    def tail(self):
        self.log.seek(0)
        return self.log.read()[-500:].decode(errors="replace").strip()

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                os.kill(self.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.stop()


def epoll_loop(answer_bytes=0):
    return Server([f"{BENCH}/epoll_loop", f"--answer-bytes={answer_bytes}"])


def simplequeue(*options):
    return Server([f"{BIN}/simplequeue", "--port=0", *options])


def pubsub(*options):
    return Server([f"{BIN}/pubsub", "--port=0", *options])


NGINX_CONF = """\
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /put {{ return 200; }}
    location /get {{ return 200 "{body}"; }}
  }}
}}
"""


@contextlib.contextmanager
def nginx():
    directory = tempfile.mkdtemp(prefix="bench_nginx_")
    try:
        port = free_port()
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(NGINX_CONF.format(dir=directory, port=port, body="x" * 100))
        with Server([find("nginx"), "-p", directory, "-c", conf], port) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"
NCHAN_CONF = """\
load_module {module};
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log stderr crit;
events {{ worker_connections 20000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; tcp_nodelay on;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  nchan_shared_memory_size 256M;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /pub {{ nchan_publisher http; nchan_channel_id t; nchan_message_buffer_length 100; nchan_message_timeout 5s; }}
    location /sub {{ nchan_subscriber websocket eventsource http-chunked; nchan_channel_id t; nchan_subscriber_first_message newest; }}
  }}
}}
"""


@contextlib.contextmanager
def nchan():
    directory = tempfile.mkdtemp(prefix="bench_nchan_")
    try:
        port = free_port()
        conf = os.path.join(directory, "nginx.conf")
        with open(conf, "w", encoding="ascii") as file:
            file.write(NCHAN_CONF.format(dir=directory, port=port, module=NCHAN_MODULE))
        with Server([find("nginx"), "-p", directory, "-c", conf], port) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def nats():
    port = free_port()
    with Server([find("nats-server"), "-a", "127.0.0.1", "-p", str(port)], port) as server:
        yield server


@contextlib.contextmanager
def redis():
    directory = tempfile.mkdtemp(prefix="bench_redis_")
    try:
        port = free_port()
        with Server([find("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--save", "",
                     "--appendonly", "no", "--dir", directory], port) as server:
            yield server
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def find(program):
    """The path of an installed program, also outside an ordinary user's PATH; None without it."""
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


def run_json(command, seconds):
    """Runs a load generator on the load core; its last line of output is a JSON object."""
    done = subprocess.run(pinned(LOAD_CORE, *command), cwd=ROOT, capture_output=True, text=True,
                          timeout=seconds + PATIENCE, check=False)
    lines = done.stdout.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise BenchError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout[-300:]}")
    return json.loads(lines[-1])


def wrk(server, script, connections, seconds, pipelined=1):
    """One wrk run; adds requests_per_s and cpu_us, the server's CPU microseconds a request."""
    before = cpu_ns(server.pid)
    outcome = run_json(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s",
                        f"bench/wrk/{script}.lua", f"http://127.0.0.1:{server.port}",
                        "--", str(pipelined)], seconds)
    spent = cpu_ns(server.pid) - before
    if outcome["errors"] or outcome["requests"] == 0:
        raise BenchError(f"wrk {script} at {' '.join(server.command)}: {outcome['errors']} errors in "
                         f"{outcome['requests']} requests")
    outcome["requests_per_s"] = outcome["requests"] / outcome["seconds"]
    outcome["cpu_us"] = spent / 1e3 / outcome["requests"]
    outcome["server_busy"] = spent / 1e9 / outcome["seconds"]
    return outcome


class Client:
    """A blocking keep-alive HTTP client, just enough for filling and asking."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb", 1 << 16)

    def send(self, target, body=None):
        head = f"{'GET' if body is None else 'POST'} {target} HTTP/1.1\r\nHost: localhost\r\n"
        if body is not None:
            head += f"Content-Length: {len(body)}\r\n"
        self.socket.sendall(head.encode() + b"\r\n" + (body or b""))

    def receive(self):
        status = self.file.readline()
        if b" 200 " not in status:
            raise BenchError(f"an answer that is not 200: {status!r}")
        length = 0
        while (line := self.file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return self.file.read(length)

    def ask(self, target, body=None):
        self.send(target, body)
        return self.receive()

    def reset(self):
        """Closes without leaving a TIME_WAIT behind."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.file.close()
        self.socket.close()


def fill(server, messages, message_bytes=100):
    """Puts at least `messages` messages, a thousand a request."""
    body = b"\n".join([b"x" * message_bytes] * 1000)
    client = Client(server.port)
    for _ in range((messages + 999) // 1000):
        client.ask("/mput", body)
    client.reset()


def depth(server):
    client = Client(server.port)
    text = client.ask("/stats").decode()
    client.reset()
    for line in text.splitlines():
        if line.startswith("depth:"):
            return int(line.split(":")[1])
    raise BenchError(f"/stats has no depth: {text!r}")


def note(text):
    print(text, file=sys.stderr, flush=True)
