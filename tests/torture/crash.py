"""T1: kill -9 at any moment, and at named points before and after every call that reaches the disk.

Rounds on one data path: start, load, kill. Then a last start, everything is drained, and the oracle
asked. A new data path, with other options, every ROUNDS_A_PATH rounds.
"""

import collections
import os
import time

import oracle
from history import History, make_random
from load import Load, Target
from programs import PROGRAMS, DidNotStart, folder
from shim import OPS, Fault

ROUNDS_A_PATH = 50


class Crashes:
    """control: None, "swallow" (writes are lost from some call on) or "behind" (the last one is)."""

    def __init__(self, seed, rounds, program="simplequeue", control=None, say=print):
        self.seed, self.rounds, self.program, self.control, self.say = seed, rounds, program, control, say
        self.kills = 0
        self.points = collections.Counter()
        self.violations = []

    def run(self):
        part = 0
        while self.kills < self.rounds:
            self.one_path(part, min(ROUNDS_A_PATH, self.rounds - self.kills))
            part += 1
        self.say("crash: %d kills, %d of them at named points (%s): %d violations" % (
            self.kills, sum(self.points.values()),
            ", ".join("%s %d" % point for point in sorted(self.points.items())), len(self.violations)))
        return self.violations

    def one_path(self, part, rounds):
        random = make_random("crash", self.seed, part)
        attempts = random.choice((0, 0, 3, 5))
        with folder() as base:
            path = os.path.join(base, "data")
            os.mkdir(path)
            program = PROGRAMS[self.program](path, ["--max-attempts=%d" % attempts] if attempts else [])
            history = History(self.seed * 1000 + part)
            target = Target(program.session)
            load = Load(history, target, keys=0.1 if program.session.counts_attempts else 0.0)
            load.start()
            try:
                for _ in range(rounds):
                    self.one_kill(program, target, path, random)
            finally:
                load.stop()
            daemon = program.start()
            remaining = program.drain(daemon, history)
            daemon.kill()
            found = oracle.check(history, remaining, program.session.counts_attempts,
                                 program.session.keeps_order)
            self.say("crash: seed %d part %d, --max-attempts=%d: %s, %d at the end; %d violations" % (
                self.seed, part, attempts, history.summary(), len(remaining), len(found)))
            self.violations += found

    def options(self, random, fault):
        sizes = ("64KiB", "64KiB", "256KiB", "16MiB")
        if fault and fault.op not in ("write", "sync"):
            sizes = sizes[:1]  # only changes of segment do the other calls
        return ["--sync=" + random.choice(("always", "always", "none", "100ms")),
                "--segment-bytes=" + random.choice(sizes)]

    def fault(self, path, random):
        hit = path + ".hit"
        if os.path.exists(hit):
            os.unlink(hit)
        if self.control == "swallow":
            return Fault(path, "write", random.randint(20, 60), "swallow", times=0)
        if self.control == "behind":
            return Fault(path, "write", 1, "behind", times=0)
        if random.random() < 0.5:
            return None
        op = random.choice(OPS)
        most = {"write": 150, "sync": 100}.get(op, 4)
        return Fault(path, op, random.randint(1, most), random.choice(("kill_before", "kill_after")))

    def one_kill(self, program, target, path, random):
        fault = self.fault(path, random)
        options = self.options(random, fault) if self.program == "simplequeue" else []
        pause = random.uniform(0.005, 0.150)
        self.kills += 1
        named = fault and fault.action.startswith("kill")
        try:
            daemon = program.start(fault, options)
        except DidNotStart as error:
            if not (named and fault.hit() and error.status == -9):
                self.violations.append("start: %s with %s" % (error, options))
            else:
                self.points[fault.hit().split()[0] + fault.action[4:]] += 1
            return
        target.set(daemon.place)
        end = time.monotonic() + (0.4 if named else pause)
        while daemon.running() and time.monotonic() < end:
            time.sleep(0.001)
        ended = not daemon.running()
        daemon.kill()
        target.clear()
        if named and fault.hit():
            self.points[fault.hit().split()[0] + fault.action[4:]] += 1
        elif ended:
            self.violations.append("ended: by itself, status %s: %s" % (
                daemon.process.returncode, daemon.stderr()[-1000:]))
