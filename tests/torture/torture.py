#!/usr/bin/python3
"""The long tests: promises P1 to P5 and P10, by real processes on bad disks and bad networks.

    tests/torture/torture.py [--bin=build/bin] [--build=build/release] [--seed=N] [--scale=X] [TEST...]

    crash    300 kill -9 at random and at named points of four writers' and two readers' work
    faults   600 runs in which a system call fails
    power    states of the disk after a power cut, for --sync=always and 100ms
    soak     a million ids, 1 % forced failures, a kill -9 every second
    drain    SIGTERM under load, 50 rounds
    bridges  a bridge whose network, source, destination and disk fail
    partition
             a bridge behind a cable that is pulled for seconds, in a network namespace
    bridge_kills
             300 kill -9, and 300 SIGTERM, of a bridge with an offset file, a spool, and both
    bridge_soak
             a million ids through pubsub, bridge and queue, 1 % forced failures, kills by turns
    archive  300 kill -9 of ps_to_file, in three compressions
    reader_kills
             100 kill -9 of a reader, and half as many of its queue: its tasks' sum is exact
    shared_kills
             200 ends of readers that share a Redis, of it, of their queue and connections:
             histogram, graph and moments in it are a plain count's
    controls each test with the protection taken out, which must fail; and redis-server, which must pass

Without a TEST all are run. --scale=0.1 does a tenth. A seed is printed, and repeats a run as far as
the machine's timing lets it. Exits 1 when a promise was broken.
"""

import argparse
import os
import random
import shutil
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHOWN = 20  # violations


def crash(seed, scale):
    from crash import Crashes
    return Crashes(seed, max(1, round(300 * scale))).run()


def faults(seed, scale):
    from faults import Faults
    return Faults(seed, max(1, round(600 * scale))).run()


def power(seed, scale):
    from power import PowerCuts
    found = []
    for number, sync in enumerate(("always", "always", "always", "100ms", "none")):
        found += PowerCuts(seed + number, max(1, round(100 * scale)), sync,
                           seconds=1.5 if sync == "100ms" else 1.0).run()
    return found


def soak(seed, scale):
    from soak import Soak
    return Soak(seed, max(1000, round(1_000_000 * scale)), kill_every=1.0).run()


def drain(seed, scale):
    from drain import Drains
    return Drains(seed, max(1, round(50 * scale))).run()


def all_of(*founds):
    """The violations of bridges' runs, each of which is said in a line."""
    violations = []
    for found in founds:
        if found is not None:
            print(found)
            violations += found.violations
    return violations


def bridges(seed, scale):
    import bridge_backlog as backlog
    import bridge_faults as faulty
    found = []
    for more in range(max(1, round(10 * scale))):
        found += all_of(faulty.cuts(seed + more, 20000), faulty.cuts(seed + more, 20000, max_in_flight=4),
                        faulty.cuts(seed + more, 1000, most=1_000_000),
                        faulty.round_robin(seed + more, 20000, restarts=20),
                        backlog.disk_full(seed + more, 20000, full=2.0))
    return found + all_of(
        faulty.destination_restarts(seed, max(2, round(60 * scale))),
        faulty.source_restarts(seed, max(2, round(60 * scale))),
        backlog.drop_oldest(seed, 50000),
        backlog.back_pressure(seed, max(5000, round(100000 * scale))),
        backlog.back_pressure(seed, max(5000, round(100000 * scale)), spooled=True),
        faulty.refusals(seed, max(5000, round(200000 * scale)), down=max(1.0, 30 * scale)),
        backlog.one_down(seed, max(5000, round(200000 * scale)), down=max(1.0, 30 * scale)))


def partition(seed, scale):
    from netns import partitions
    found = partitions(seed, max(3, round(60 * scale)), 1.0, 8.0)
    if found is None:
        print("partition: no network namespaces here; `bridges` has a proxy that cuts")
    return all_of(found)


def bridge_kills(seed, scale):
    from bridge_kills import KINDS, bridge_kills, bridge_restarts
    count = max(5, round(300 * scale))
    found = []
    for kind in KINDS:
        found += all_of(bridge_kills(seed, count, kind), bridge_restarts(seed, count, kind))
    return found


def bridge_soak(seed, scale):
    from bridge_kills import soak
    ids, seconds = max(10000, round(1_000_000 * scale)), max(10.0, 120 * scale)
    return all_of(*(soak(seed, ids, seconds, min(10.0, seconds / 12), kind)
                    for kind in ("spool", "offset-file")))


def archive(seed, scale):
    from archive import archive_kills
    return all_of(*(archive_kills(seed, max(5, round(300 * scale)), compression)
                    for compression in ("none", "gzip", "zstd")))


def reader_kills(seed, scale):
    from reader_kills import reader_kills
    return all_of(*(reader_kills(seed + more, max(8, round(50 * scale))) for more in range(2)))


def shared_kills(seed, scale):
    if not shutil.which("redis-server"):
        print("shared_kills: redis-server is not there to be shared")
        return []
    from shared_kills import REAL, shared_kills
    count = max(8, round(100 * scale))
    return all_of(shared_kills(seed, count, real=os.path.exists(REAL)),
                  shared_kills(seed + 1, count, checkpoints=True))


def controls(seed, scale):
    """What must be noticed is a violation when it is not, and the other way round."""
    from crash import Crashes
    from drain import Drains
    from faults import Faults
    from power import PowerCuts
    must_fail = {
        "crash, writes swallowed": (Crashes(seed, 3, control="swallow"), {"lost"}),
        "crash, writes one behind": (Crashes(seed, 5, control="behind"), {"lost"}),
        "faults, writes swallowed": (Faults(seed, 3, control="swallow"), {"lost"}),
        "power, syncs swallowed": (PowerCuts(seed, 20, swallow=True), {"lost", "start"}),
        "power, --sync=none": (PowerCuts(seed, 20, sync="none", judge="always"), {"lost"}),
        "drain, killed": (Drains(seed, 3, control="kill"), {"drain"}),
    }
    found = []
    for name, (test, rules) in must_fail.items():
        seen = {text.split(":")[0] for text in test.run()}
        if not seen & rules:
            found.append("control: %s: %s was not noticed, but %s" % (name, sorted(rules), sorted(seen)))
    from bridge_faults import control
    for kind, rule in (("swallow", "missing"), ("double", "duplicates")):
        seen = {text.split(":")[0] for text in control(seed, kind).violations}
        if rule not in seen:
            found.append("control: a network that would %s: not noticed, but %s" % (kind, sorted(seen)))
    from reader_kills import reader_kills as killed
    for control in ("checkpoint", "ledger"):
        seen = {text.split(":")[0] for text in killed(seed, 10, control=control).violations}
        if "sum" not in seen:
            found.append("control: a reader without %s: not noticed, but %s" % (control, sorted(seen)))
    if shutil.which("redis-server"):
        from shared_kills import shared_kills as killed_shared
        seen = {text.split(":")[0] for text in killed_shared(seed, 10, control=True).violations}
        if not seen & {"histogram", "graph", "moments"}:
            found.append("control: a store that forgets its messages: not noticed, but %s" % sorted(seen))
        found += Faults(seed, max(1, round(100 * scale)), program="redis").run()
        found += Crashes(seed, max(1, round(30 * scale)), program="redis").run()
    else:
        print("controls: redis-server is not there to calibrate on")
    return found


TESTS = {"crash": crash, "faults": faults, "power": power, "soak": soak, "drain": drain,
         "bridges": bridges, "partition": partition, "bridge_kills": bridge_kills,
         "bridge_soak": bridge_soak, "archive": archive, "reader_kills": reader_kills,
         "shared_kills": shared_kills, "controls": controls}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "release"))
    parser.add_argument("--seed", type=int, default=random.randrange(1, 100000))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("tests", nargs="*", metavar="TEST", help=" ".join(TESTS))
    options = parser.parse_args()
    unknown = [test for test in options.tests if test not in TESTS]
    if unknown:
        parser.error("no test %r: there are %s" % (unknown[0], " ".join(TESTS)))
    # The harness reads these when it is imported.
    os.environ["RIVULET_BIN_DIR"] = os.path.abspath(options.bin)
    os.environ["RIVULET_BUILD_DIR"] = os.path.abspath(options.build)
    sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)), os.path.join(ROOT, "tests", "daemon")]
    sys.stdout.reconfigure(line_buffering=True)
    print("seed %d" % options.seed)
    broken = []
    for test in options.tests or TESTS:
        began = time.monotonic()
        found = TESTS[test](options.seed, options.scale)
        print("%s: %s (%.1f s)" % (test, "%d VIOLATIONS" % len(found) if found else "ok",
                                   time.monotonic() - began))
        for text in found[:SHOWN]:
            print("  " + text.replace("\n", "\n  "))
        if len(found) > SHOWN:
            print("  and %d more" % (len(found) - SHOWN))
        if found:
            broken.append(test)
    print("torture: seed %d: %s" % (options.seed, "broken: " + ", ".join(broken) if broken else "all kept"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
