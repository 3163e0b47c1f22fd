"""What pubsub does: sections as in sections.py."""

import functools
import glob
import os

import harness
from durable_sections import data_folder
from harness import BenchError, Client, Server, wrk
from report import number, table

FANOUT_MODES = {
    "one at a time": lambda n: (),
    "full rate": lambda n: ("--pipeline=64",),
    "batches": lambda n: ("--batch=100",),
    "paced": lambda n: (f"--rate={min(5000, 50000 / n):.0f}",),
}
COUNTS = (1, 10, 100, 1000, 10000)
FRAMINGS = {"lines": "/sub?multipart=0", "sse": "/sub?format=sse", "websocket": "/sub"}
STALLED = {"subscribers": 900, "stalled": 100, "messages": 600_000}
MAX_PENDING = 50 << 20
CONNECTION_BYTES = 16 << 10
REPLAY_MESSAGES = 8_000_000  # of 100 bytes: 0.8 GB


def deliver(server, subscribers, seconds, *options):
    """A run of fanout_load, in which every delivery must be right."""
    outcome = harness.run_json([f"{harness.BENCH}/fanout_load", f"--port={server.port}",
                                f"--subscribers={subscribers}", f"--seconds={seconds}",
                                f"--server-pid={server.pid}", *options], seconds * 3 + subscribers / 500)
    wrong = {k: outcome[k] for k in ("lost", "reordered", "garbled", "refused", "ended") if outcome[k]}
    if wrong:
        raise BenchError(f"wrong deliveries: {wrong}")
    return outcome


def fanout_pubsub():
    return harness.pubsub("--max-connections=20000")


def fanout(rounds, seconds, report, context):
    harness.raise_descriptor_limit()

    def load(subscribers, mode):
        with fanout_pubsub() as server:
            return deliver(server, subscribers, seconds, *FANOUT_MODES[mode](subscribers))

    cases = {(mode, n): functools.partial(load, n, mode) for mode in FANOUT_MODES for n in COUNTS
             if n <= 1000 or mode != "paced"}
    got = rounds.measure("fanout", cases)
    report.section("pubsub fan-out, 100-byte messages", table(
        ["publisher", "subscribers", "published/s", "deliveries/s", "p50 us", "p99 us", "CPU us/delivery",
         "server busy %"],
        [(mode, n, number(g and g["published"] / g["seconds"]), number(g and g["deliveries_per_s"]),
          number(g and g["p50_us"], 1), number(g and g["p99_us"], 1), number(g and g["cpu_us_per_delivery"], 3),
          number(g and g["server_cpu_share"] * 100)) for (mode, n), g in got.items()]))
    failed = [f"{mode} {n}" for (mode, n), figures in got.items() if figures is None]
    report.aim("fan-out: lost, reordered or cut off", "0", "0" if not failed else "see the notes: " + ", ".join(failed),
               not failed)
    for mode in FANOUT_MODES:
        most = max(n for which, n in got if which == mode)
        few, many = got[mode, 10], got[mode, most]
        ratio = many["cpu_us_per_delivery"] / few["cpu_us_per_delivery"] if few and many else None
        report.aim(f"fan-out, {mode}: CPU a delivery, {most:,} subscribers over 10", "<= 1.1", number(ratio, 2),
                   ratio and ratio <= 1.1)
    full = got["full rate", 1000]
    context["fanout_peak"] = full and full["published"] / full["seconds"]
    half_load(rounds, seconds, report, context)


def half_load(rounds, seconds, report, context):
    if not context["fanout_peak"]:
        report.aim("p99 from publish to receipt, 1,000 subscribers at half load", "< 5 ms", "-", None)
        return
    rate = context["fanout_peak"] / 2

    def paced():
        with fanout_pubsub() as server:
            return deliver(server, 1000, seconds, f"--rate={rate:.0f}", "--pipeline=1000")

    got = rounds.measure("fanout at half load", {"pubsub": paced})["pubsub"]
    report.section(f"1,000 subscribers at half load: {rate:,.0f} messages/s, {rate * 1000:,.0f} deliveries/s", table(
        ["p50 us", "p99 us", "longest us", "server busy %"],
        [tuple(number(got and got[k], 1) for k in ("p50_us", "p99_us", "max_us"))
         + (number(got and got["server_cpu_share"] * 100),)]))
    report.aim("p99 from publish to receipt, 1,000 subscribers at half load", "< 5 ms",
               number(got and got["p99_us"] / 1e3, 2) + " ms", got and got["p99_us"] < 5000)


def framings(rounds, seconds, report, _context):
    def load(subscribers, framing):
        with fanout_pubsub() as server:
            return deliver(server, subscribers, seconds, f"--protocol={framing}", f"--subscribe={FRAMINGS[framing]}",
                           "--pipeline=64")

    got = rounds.measure("framings", {(framing, n): functools.partial(load, n, framing)
                                      for n in (10, 1000) for framing in FRAMINGS})
    report.section("Framings, publisher's full rate", table(
        ["framing", "subscribers", "deliveries/s", "CPU us/delivery", "server busy %"],
        [(framing, n, number(g and g["deliveries_per_s"]), number(g and g["cpu_us_per_delivery"], 3),
          number(g and g["server_cpu_share"] * 100)) for (framing, n), g in got.items()]))
    for framing in ("sse", "websocket"):
        ours, lines = got[framing, 1000], got["lines", 1000]
        ratio = ours["cpu_us_per_delivery"] / lines["cpu_us_per_delivery"] if ours and lines else None
        report.aim(f"{framing}: CPU a delivery, 1,000 subscribers", "<= 1.3 x lines", number(ratio, 2),
                   ratio and ratio <= 1.3)


def fanout_peers(rounds, seconds, report, _context):
    pipelined, tens = ("--pipeline=64",), ("--pipeline=16", "--batch=10")
    contenders = {"pubsub": (fanout_pubsub, pipelined), "pubsub, in tens": (fanout_pubsub, tens),
                  "pubsub, WebSocket": (fanout_pubsub, (*pipelined, "--protocol=websocket", "--subscribe=/sub"))}
    if harness.find("nginx") and os.path.exists(harness.NCHAN_MODULE):
        paths = ("--subscribe=/sub", "--publish=/pub", "--pipeline=16", "--window=80")
        for protocol in ("chunks", "websocket"):
            contenders[f"nchan, {protocol}"] = (harness.nchan, (*paths, f"--protocol={protocol}"))
    else:
        report.note("nchan: not installed.")
    if harness.find("nats-server"):
        contenders["nats-server"] = (harness.nats, ("--protocol=nats", *pipelined))
        contenders["nats-server, in tens"] = (harness.nats, ("--protocol=nats", *tens))
    else:
        report.note("nats-server: not installed.")

    def load(name, subscribers):
        start, options = contenders[name]
        with start() as server:
            return deliver(server, subscribers, seconds, *options)

    got = rounds.measure("fan-out peers", {(name, n): functools.partial(load, name, n)
                                           for n in (100, 1000) for name in contenders}, runs=3)
    report.section(f"Fan-out beside its peers, 100-byte messages ({min(3, rounds.runs)} rounds)", table(
        ["server", "subscribers", "deliveries/s", "p99 us", "CPU us/delivery", "server busy %"],
        [(name, n, number(g and g["deliveries_per_s"]), number(g and g["p99_us"], 1),
          number(g and g["cpu_us_per_delivery"], 3), number(g and g["server_cpu_share"] * 100))
         for (name, n), g in got.items()]))

    def rate(name):
        return (got.get((name, 1000)) or {}).get("deliveries_per_s")
    for ours, theirs, factor in (("pubsub", "nchan, chunks", 3), ("pubsub, WebSocket", "nchan, websocket", 3),
                                 ("pubsub", "nats-server", 1), ("pubsub, in tens", "nats-server, in tens", 1)):
        a, b = rate(ours), rate(theirs)
        report.aim(f"1,000 subscribers, deliveries/s: {ours}", f">= {factor} x {theirs}", f"{number(a)} / {number(b)}",
                   a >= factor * b if a and b else None)


def replay(rounds, _seconds, report, _context):
    """One subscriber reads a topic's past from the page cache, beside sendfile of the same files."""
    with data_folder() as folder:
        keep = (f"--data-path={folder}", "--sync=none", "--retain-bytes=4GiB")
        with harness.pubsub(*keep) as server:
            client = Client(server.port)
            body = b"\n".join([b"x" * 100] * 1000)
            for _ in range(REPLAY_MESSAGES // 1000):
                client.ask("/pub", body)
            client.reset()

            def read(target):
                outcome = harness.run_json([f"{harness.BENCH}/drain_load", f"--port={server.port}", f"--target={target}",
                                            f"--server-pid={server.pid}"], 30)
                if not (outcome["ok"] and outcome["ended"]) or outcome["bytes"] < REPLAY_MESSAGES * 100:
                    raise BenchError(f"a replay that is not whole: {outcome}")
                return outcome

            files = sorted(glob.glob(f"{folder}/*.journal"))
            with Server([f"{harness.BENCH}/sendfile_loop", *(f"--file={f}" for f in files)]) as floor:
                def floor_read():
                    return harness.run_json([f"{harness.BENCH}/drain_load", f"--port={floor.port}",
                                             f"--server-pid={floor.pid}"], 30)
                past = "since=earliest&until=now"
                got = rounds.measure("replay", {
                    "lines": lambda: read(f"/sub?multipart=0&{past}"),
                    "framed": lambda: read(f"/sub?format=framed&{past}"),
                    "sse": lambda: read(f"/sub?format=sse&{past}"),
                    "sendfile of the journal": floor_read})
            segment_bytes = sum(os.path.getsize(f) for f in files)
    report.section(f"Replay of {REPLAY_MESSAGES:,} messages of 100 bytes from disk, {segment_bytes / 1e9:.2f} GB in the "
                   "page cache, one subscriber", table(
                       ["what", "GB/s", "messages/s", "server busy %"],
                       [(name, number(g and g["bytes_per_s"] / 1e9, 2),
                         number(g and REPLAY_MESSAGES / g["seconds"]) if "sendfile" not in name else "-",
                         number(g and g["server_cpu_share"] * 100)) for name, g in got.items()]))
    ours, floor_figures = got["lines"], got["sendfile of the journal"]
    least = min(1e9, floor_figures["bytes_per_s"]) if floor_figures else 1e9
    report.aim("replay from disk to one subscriber", ">= 1 GB/s, or sendfile's",
               number(ours and ours["bytes_per_s"] / 1e9, 2) + " GB/s", ours and ours["bytes_per_s"] >= least)


def stalled(rounds, _seconds, report, _context):
    harness.raise_descriptor_limit()
    readers, others, messages = STALLED["subscribers"], STALLED["stalled"], STALLED["messages"]

    def load():
        with fanout_pubsub() as server:
            before = harness.rss_bytes(server.pid)
            outcome = deliver(server, readers, 120, f"--stalled={others}", f"--messages={messages}", "--batch=100",
                              "--pipeline=4")
            return {**outcome, "before": before, "peak": harness.peak_rss_bytes(server.pid)}

    got = rounds.measure("stalled", {"pubsub": load}, runs=1)["pubsub"]
    bound = MAX_PENDING + (readers + others) * CONNECTION_BYTES
    grown = got and got["peak"] - got["before"]
    report.section(f"{readers + others:,} subscribers, {others} of which never read; {messages:,} messages (1 round)", table(
        ["started MB", "peak MB", "deliveries/s to the others", "p99 us", "CPU us/delivery"],
        [(number(got and got["before"] / 1e6, 1), number(got and got["peak"] / 1e6, 1),
          number(got and got["deliveries_per_s"]), number(got and got["p99_us"], 1),
          number(got and got["cpu_us_per_delivery"], 3))]))
    report.aim("memory beside stalled subscribers", "--max-pending + 16 KiB a connection",
               f"{number(grown and grown / 1e6, 1)} / {number(bound / 1e6, 1)} MB", grown and grown <= bound)


def publish(rounds, seconds, report, _context):
    """Publishing with a data path, nobody listening."""
    def load(which, sync):
        with data_folder() as folder:
            options = () if sync == "memory" else (f"--data-path={folder}", f"--sync={sync}")
            with harness.pubsub(*options) as server:
                return wrk(server, which, 64, seconds)

    cases = {(which, sync): functools.partial(load, which, sync)
             for which in ("pub", "pub100") for sync in ("memory", "none", "always")}
    got = rounds.measure("publish", cases, runs=3)
    report.section(f"/pub of 100-byte messages, 64 connections, nobody listening ({min(3, rounds.runs)} rounds)", table(
        ["work", "--sync", "requests/s", "messages/s", "CPU us/request"],
        [("one a request" if which == "pub" else "100 a request", sync, number(g and g["requests_per_s"]),
          number(g and g["requests_per_s"] * (1 if which == "pub" else 100)), number(g and g["cpu_us"], 2))
         for (which, sync), g in got.items()]))


ALL = {"fanout": fanout, "framings": framings, "fanout-peers": fanout_peers, "replay": replay, "stalled": stalled,
       "publish": publish}
