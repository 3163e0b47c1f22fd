#!/usr/bin/python3
"""The long tests of durability: promises P1 to P5, by real processes on bad disks.

    tests/torture/torture.py [--bin=build/bin] [--build=build/release] [--seed=N] [--scale=X] [TEST...]

    crash    300 kill -9 at random and at named points of four writers' and two readers' work
    faults   600 runs in which a system call fails
    power    states of the disk after a power cut, for --sync=always and 100ms
    soak     a million ids, 1 % forced failures, a kill -9 every second
    drain    SIGTERM under load, 50 rounds
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
    if shutil.which("redis-server"):
        found += Faults(seed, max(1, round(100 * scale)), program="redis").run()
        found += Crashes(seed, max(1, round(30 * scale)), program="redis").run()
    else:
        print("controls: redis-server is not there to calibrate on")
    return found


TESTS = {"crash": crash, "faults": faults, "power": power, "soak": soak, "drain": drain,
         "controls": controls}


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
