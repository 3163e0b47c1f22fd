"""From publish to queued: publishes at a rate, takes from the queue by long polls, prints one JSON line.

    bridge_latency.py PUBSUB_PORT QUEUE_PORT RATE SECONDS

A message holds the time at which it was due; ten are published a request. The taker is a process of its own.
"""

import json
import multiprocessing
import sys
import time

import harness


def take(port, total, results):
    client = harness.Client(port)
    seen = []
    while len(seen) < total:
        lines = client.ask("/mget?items=1000&wait=5s").split()
        now = time.monotonic_ns()
        if not lines:
            break
        seen += [now - int(line) for line in lines]
    results.put(sorted(seen))


def main():
    pubsub, queue, rate, seconds = map(int, sys.argv[1:])
    total = rate * seconds
    results = multiprocessing.Queue()
    taker = multiprocessing.Process(target=take, args=(queue, total, results))
    taker.start()
    client = harness.Client(pubsub)
    began = time.monotonic_ns() + 50_000_000
    step = 10_000_000_000 // rate
    for i in range(total // 10):
        due = began + i * step
        while (early := due - time.monotonic_ns()) > 0:
            time.sleep(early / 1e9)
        client.ask("/pub", b"\n".join([b"%d" % due] * 10))
    latencies = results.get(timeout=20)
    taker.join()
    if len(latencies) != total:
        raise SystemExit(f"{len(latencies)} of {total} messages came")
    print(json.dumps({"p50_ms": latencies[total // 2] / 1e6, "p99_ms": latencies[total * 99 // 100] / 1e6,
                      "max_ms": latencies[-1] / 1e6}))


if __name__ == "__main__":
    main()
