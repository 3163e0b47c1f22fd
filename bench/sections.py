"""What is measured. Each section takes (rounds, seconds, report, context) and adds to the report."""

import functools
import subprocess
import time

import harness
from harness import BenchError, Client, cpu_ns, depth, epoll_loop, fill, nginx, redis, rss_bytes, wrk
from report import number, table

CONNECTIONS = (16, 64, 256)
MIB = 2**20
GET_MARGIN = 250_000  # messages a second that /get may take: more than wrk asks for
# Messages a second that /mget of 100 may take before its queue runs dry.
MGET_MARGIN = 26_000_000


def queue_for(operation, seconds, pipelined=1):
    """A simplequeue in which `operation` does not run dry within the time."""
    server = harness.simplequeue()
    if operation == "get":
        try:
            fill(server, int(GET_MARGIN * (8 if pipelined > 1 else 1) * (seconds + 0.5)))
        except BaseException:
            server.stop()
            raise
    return server


def http_contenders(operation, seconds, pipelined=1):
    answer = 100 if operation == "get" else 0
    contenders = {"epoll loop": functools.partial(epoll_loop, answer),
                  "simplequeue": functools.partial(queue_for, operation, seconds, pipelined)}
    if harness.find("nginx"):
        contenders["nginx"] = nginx
    return contenders


def ask(contender, start, operation, connections, seconds, pipelined=1):
    with start() as server:
        outcome = wrk(server, operation, connections, seconds, pipelined)
        if contender == "simplequeue" and operation in ("get", "mget") and depth(server) == 0:
            raise BenchError(f"the queue ran dry under /{operation}")
        return outcome


def http(rounds, seconds, report, context):
    if not harness.find("nginx"):
        report.note("nginx: not installed.")
    cases = {(operation, connections, name): functools.partial(ask, name, start, operation, connections, seconds)
             for connections in CONNECTIONS for operation in ("put", "get")
             for name, start in http_contenders(operation, seconds).items()}
    got = rounds.measure("http", cases)
    rows = []
    for operation in ("put", "get"):
        for connections in CONNECTIONS:
            def figure(name, key, o=operation, c=connections):
                return (got.get((o, c, name)) or {}).get(key)
            for name in ("epoll loop", "simplequeue", "nginx"):
                cpu, loop_cpu = figure(name, "cpu_us"), figure("epoll loop", "cpu_us")
                rows.append((f"/{operation}, {connections} connections", name,
                             number(figure(name, "requests_per_s")), number(cpu, 2),
                             number(cpu / loop_cpu if cpu and loop_cpu else None, 2),
                             number(figure(name, "server_busy") and figure(name, "server_busy") * 100),
                             number(figure(name, "p99_us"))))
            http_aims(report, f"/{operation}, {connections} connections", figure)
    report.section("HTTP requests of 100 bytes", table(
        ["work", "server", "requests/s", "CPU us/request", "of the loop's", "server busy %", "p99 us"], rows))
    context["put_peak"] = (got.get(("put", 64, "simplequeue")) or {}).get("requests_per_s")


def http_aims(report, work, figure):
    ours, loop, peer = (figure(n, "cpu_us") for n in ("simplequeue", "epoll loop", "nginx"))
    report.aim(f"{work}: CPU a request", "<= 1.2 x the loop's",
               f"{number(ours, 2)} / {number(loop, 2)} us = {number(ours / loop if ours and loop else None, 2)}",
               ours <= 1.2 * loop if ours and loop else None)
    report.aim(f"{work}: CPU a request", "below nginx", f"{number(ours, 2)} / {number(peer, 2)} us",
               ours < peer if ours and peer else None)
    rate, asked = figure("simplequeue", "requests_per_s"), figure("epoll loop", "requests_per_s")
    report.aim(f"{work}: requests/s", "what wrk can ask (0.95 x the loop's)", f"{number(rate)} / {number(asked)}",
               rate >= 0.95 * asked if rate and asked else None)


def pipelined(rounds, seconds, report, _context):
    cases = {(operation, name): functools.partial(ask, name, start, operation, 64, seconds, 16)
             for operation in ("put", "get")
             for name, start in http_contenders(operation, seconds, 16).items()}
    got = rounds.measure("pipelined", cases)
    rows = [(f"/{operation}", name, number((got[operation, name] or {}).get("requests_per_s")),
             number((got[operation, name] or {}).get("cpu_us"), 3))
            for operation in ("put", "get") for name in ("epoll loop", "simplequeue", "nginx")
            if (operation, name) in got]
    report.section("16 pipelined requests, 64 connections",
                   table(["work", "server", "requests/s", "CPU us/request"], rows))
    for operation in ("put", "get"):
        ours = (got[operation, "simplequeue"] or {}).get("requests_per_s")
        report.aim(f"/{operation}, 16 pipelined: requests/s", ">= 1,200,000", number(ours),
                   ours and ours >= 1.2e6)


def batches(rounds, seconds, report, _context):
    def queue_in_and_out(which):
        with harness.simplequeue() as server:
            into = wrk(server, "turns" if which == "turns" else "mput", 64, seconds)
            if which != "mget":
                return into
            for _ in range(8):  # what leaves must not be more than what came
                wrk(server, "mput", 64, seconds)
                if depth(server) > MGET_MARGIN * seconds:
                    break
            out = wrk(server, "mget", 64, seconds)
            if depth(server) == 0:
                raise BenchError("the queue ran dry under /mget")
            return out

    def loop(which, answer):
        with epoll_loop(answer) as server:
            return wrk(server, which, 64, seconds)

    harness.touch_memory(4 << 30)
    cases = {("mput", "epoll loop"): lambda: loop("mput", 0),
             ("mput", "simplequeue"): lambda: queue_in_and_out("mput"),
             ("turns", "simplequeue"): lambda: queue_in_and_out("turns"),
             ("mget", "epoll loop"): lambda: loop("mget", 100 * 101 - 1),
             ("mget", "simplequeue"): lambda: queue_in_and_out("mget")}
    got = rounds.measure("batches", cases)
    def figure(key, name):
        return (got[key] or {}).get(name)
    rows = []
    for (operation, name) in cases:
        rate, cpu = figure((operation, name), "requests_per_s"), figure((operation, name), "cpu_us")
        work = "both in turns, of 100" if operation == "turns" else f"/{operation} of 100"
        rows.append((work, name, number(rate and rate * 100), number(cpu and cpu * 10, 1)))
    report.section("Batches of 100 messages of 100 bytes, 64 connections",
                   table(["work", "server", "messages/s", "CPU ns/message"], rows))
    for operation in ("mput", "mget"):
        rate = figure((operation, "simplequeue"), "requests_per_s")
        report.aim(f"/{operation} of 100: messages/s", ">= 6,000,000", number(rate and rate * 100),
                   rate and rate * 100 >= 6e6)
        ours, loops = figure((operation, "simplequeue"), "cpu_us"), figure((operation, "epoll loop"), "cpu_us")
        report.aim(f"/{operation} of 100: CPU", "<= 1.5 x a loop that drops the same bytes",
                   number(ours / loops if ours and loops else None, 2), ours <= 1.5 * loops if ours and loops else None)
    ours = figure(("turns", "simplequeue"), "cpu_us")
    loops = [figure((operation, "epoll loop"), "cpu_us") for operation in ("mput", "mget")]
    mean = sum(loops) / 2 if all(loops) else None
    report.aim("/mput and /mget in turns: CPU", "<= 1.5 x such loops' mean", number(ours / mean if ours and mean else None, 2),
               ours <= 1.5 * mean if ours and mean else None)


def redis_peer(rounds, _seconds, report, _context):
    if not (harness.find("redis-server") and harness.find("redis-benchmark")):
        report.note("redis: not installed.")
        return

    def push_and_pop(operation, pipeline):
        with redis() as server:
            count = 150_000 if pipeline == 1 else 1_000_000
            before = cpu_ns(server.pid)
            for test in ("lpush", "rpop") if operation == "rpop" else ("lpush",):
                before = cpu_ns(server.pid)
                begin = time.monotonic()
                done = subprocess.run(harness.pinned(
                    harness.LOAD_CORE, harness.find("redis-benchmark"), "-p", str(server.port), "-t", test, "-d", "100",
                    "-n", str(count), "-c", "64", "-P", str(pipeline), "--csv"),
                    capture_output=True, text=True, timeout=60, check=True)
            spent = cpu_ns(server.pid) - before
            rate = [line.split(",")[1].strip('"') for line in done.stdout.splitlines()
                    if line.upper().startswith(f'"{operation.upper()}')]
            if not rate:
                raise BenchError(f"redis-benchmark said {done.stdout[-200:]!r} after {time.monotonic() - begin:.1f}s")
            return {"requests_per_s": float(rate[0]), "cpu_us": spent / 1e3 / count}

    cases = {(operation, pipeline): functools.partial(push_and_pop, operation, pipeline)
             for pipeline in (1, 16) for operation in ("lpush", "rpop")}
    got = rounds.measure("redis", cases)
    rows = [(f"{o.upper()}, 64 connections, {p} pipelined", number((got[o, p] or {}).get("requests_per_s")),
             number((got[o, p] or {}).get("cpu_us"), 3)) for (o, p) in cases]
    report.section("redis-server as a queue, 100 bytes", table(["work", "requests/s", "CPU us/request"], rows))


def settled_rss(server):
    """Resident bytes once they no longer fall (2 seconds at most)."""
    last = rss_bytes(server.pid)
    for _ in range(10):
        time.sleep(0.2)
        now = rss_bytes(server.pid)
        if now >= last:
            return now
        last = now
    return last


def memory(rounds, _seconds, report, _context):
    def million():
        with harness.simplequeue() as server:
            before = rss_bytes(server.pid)
            fill(server, 1_000_000)
            if depth(server) != 1_000_000:
                raise BenchError(f"the queue holds {depth(server)} messages instead of 1,000,000")
            full = rss_bytes(server.pid)
            client = Client(server.port)
            for _ in range(10_000):
                client.ask("/mget?items=100")
            client.reset()
            if depth(server) != 0:
                raise BenchError(f"the drained queue holds {depth(server)} messages")
            return {"before": before, "full": full, "drained": settled_rss(server)}

    def redis_million():
        with redis() as server:
            before = rss_bytes(server.pid)
            subprocess.run([harness.find("redis-benchmark"), "-p", str(server.port), "-t", "lpush", "-d", "100", "-n",
                            "1000000", "-P", "64", "-q"], capture_output=True, timeout=60, check=True)
            full = rss_bytes(server.pid)
            subprocess.run([harness.find("redis-benchmark"), "-p", str(server.port), "-t", "rpop", "-n", "1000000",
                            "-P", "64", "-q"], capture_output=True, timeout=60, check=True)
            return {"before": before, "full": full, "drained": settled_rss(server)}

    cases = {"simplequeue": million}
    if harness.find("redis-server") and harness.find("redis-benchmark"):
        cases["redis list"] = redis_million
    got = rounds.measure("memory", cases, runs=3)
    report.section(f"A million queued messages of 100 bytes, resident MB ({min(3, rounds.runs)} rounds)", table(
        ["server", "started", "full", "drained"],
        [(name, *(number(figures and figures[key] / 1e6, 1) for key in ("before", "full", "drained")))
         for name, figures in got.items()]))
    ours = got["simplequeue"]
    report.aim("a million 100-byte messages: resident", "<= 120 MB", number(ours and ours["full"] / 1e6, 1) + " MB",
               ours and ours["full"] <= 120e6)
    report.aim("the same, drained: given back", "within 10 MB of the start",
               f"{number(ours and ours['drained'] / 1e6, 1)} MB, "
               f"started at {number(ours and ours['before'] / 1e6, 1)} MB",
               ours and ours["drained"] - ours["before"] <= 10e6)


def idle(rounds, _seconds, report, _context):
    limit = harness.raise_descriptor_limit()
    count = min(10_000, limit - 500)

    def connections():
        with harness.simplequeue("--max-connections=20000") as server:
            before = rss_bytes(server.pid)
            clients = []
            try:
                for _ in range(count):
                    clients.append(Client(server.port))
                    clients[-1].ask("/ping")
                each = (rss_bytes(server.pid) - before) / count
                burnt = cpu_ns(server.pid)
                time.sleep(1)
                return {"bytes": each, "cpu": (cpu_ns(server.pid) - burnt) / 1e9}
            finally:
                for client in clients:
                    client.reset()

    got = rounds.measure("idle", {"simplequeue": connections}, runs=3)["simplequeue"]
    report.section(f"{count:,} idle keep-alive connections ({min(3, rounds.runs)} rounds)", table(
        ["server", "resident bytes each", "CPU % while idle"],
        [("simplequeue", number(got and got["bytes"]), number(got and got["cpu"] * 100, 2))]))
    report.aim(f"{count:,} idle connections: resident each", "<= 8,192 bytes", number(got and got["bytes"]),
               got and got["bytes"] <= 8192)


def latency(rounds, seconds, report, context):
    if not context.get("put_peak"):
        peak = rounds.measure("put peak", {"peak": lambda: ask(
            "simplequeue", harness.simplequeue, "put", 64, seconds)}, runs=1)["peak"]
        context["put_peak"] = peak and peak["requests_per_s"]
    if not context["put_peak"]:
        report.aim("p99 of /put at half the peak", "< 1 ms", "-", None)
        return
    rate = context["put_peak"] / 2

    def paced(start):
        with start() as server:
            outcome = harness.run_json([f"{harness.BENCH}/rate_load", f"--port={server.port}", f"--rate={rate:.0f}",
                                        f"--seconds={seconds}", f"--server-pid={server.pid}"], seconds * 3)
            if outcome["refused"]:
                raise BenchError(f"{outcome['refused']} answers were not 200")
            return outcome

    got = rounds.measure("latency", {"simplequeue": lambda: paced(harness.simplequeue),
                                     "epoll loop": lambda: paced(epoll_loop)})
    report.section(f"/put at {rate:,.0f} requests/s, half the peak", table(
        ["server", "p50 us", "p99 us", "p99.9 us", "longest us", "CPU us/request"],
        [(name, *(number(g and g[k], 1) for k in ("p50_us", "p99_us", "p999_us", "max_us")),
          number(g and g["cpu_us_per_request"], 2)) for name, g in got.items()]))
    ours = got["simplequeue"]
    report.aim("p99 of /put at half the peak", "< 1 ms", number(ours and ours["p99_us"] / 1e3, 3) + " ms",
               ours and ours["p99_us"] < 1000)


ALL = {"http": http, "pipelined": pipelined, "batches": batches, "redis": redis_peer, "memory": memory,
       "idle": idle, "latency": latency}
