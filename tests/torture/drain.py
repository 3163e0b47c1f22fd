"""T13: SIGTERM at any moment under load, with segments so small that it often comes in the middle of
a change of segment. The exit status is 0, in time; every answer that was begun was ended; and what
was answered is there after the next start."""

import os
import time

import oracle
from history import History, make_random
from load import Load, Target
from programs import PROGRAMS, DidNotStart, folder

DRAIN_SECONDS = 10.0
ROUNDS_A_PATH = 10


class Drains:
    """control: SIGKILL instead of SIGTERM, which must be noticed."""

    def __init__(self, seed, rounds, control=None, say=print):
        self.seed, self.rounds, self.control, self.say = seed, rounds, control, say
        self.violations = []
        self.slowest = 0.0

    def run(self):
        for part in range((self.rounds + ROUNDS_A_PATH - 1) // ROUNDS_A_PATH):
            self.one_path(part, min(ROUNDS_A_PATH, self.rounds - part * ROUNDS_A_PATH))
        self.say("drain: seed %d, %d rounds, the slowest took %.0f ms: %d violations" % (
            self.seed, self.rounds, self.slowest * 1000, len(self.violations)))
        return self.violations

    def one_path(self, part, rounds):
        random = make_random("drain", self.seed, part)
        with folder() as base:
            program = PROGRAMS["simplequeue"](os.path.join(base, "data"), ["--segment-bytes=64KiB"])
            history = History(self.seed * 1000 + part, max_body=2000)
            target = Target(program.session)
            load = Load(history, target, takers=1)
            load.start()
            try:
                for _ in range(rounds):
                    self.one_round(program, target, random)
            except DidNotStart as error:
                self.violations.append("start: %s" % error)
                return
            finally:
                load.stop()
            daemon = program.start()
            remaining = program.drain(daemon, history)
            daemon.kill()
            # What is not answered was not done, for a drain answers all that it has begun.
            history.takings = [taking for taking in history.takings if taking.keys is not None]
            self.violations += oracle.check(history, remaining)
            self.violations += ["half answer: %s" % text for text in load.half_answers]
            self.say("drain: part %d: %s, %d at the end" % (part, history.summary(), len(remaining)))

    def one_round(self, program, target, random):
        daemon = program.start(options=["--sync=" + random.choice(("always", "always", "none", "50ms"))])
        target.set(daemon.place)
        time.sleep(random.uniform(0.01, 0.3))
        began = time.monotonic()
        if self.control == "kill":
            daemon.process.kill()
        status = daemon.stop(expected=None, timeout=DRAIN_SECONDS + 5)
        taken = time.monotonic() - began
        target.clear()
        self.slowest = max(self.slowest, taken)
        if status != 0:
            self.violations.append("drain: exit status %s: %s" % (status, daemon.stderr()[-500:]))
        if taken > DRAIN_SECONDS:
            self.violations.append("drain: took %.1f s" % taken)
