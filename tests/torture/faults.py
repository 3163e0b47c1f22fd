"""T2: a system call fails, once or for ever; then the program is started on a sound disk and the
oracle of T1 asked.

While the disk is bad: after a failure that does not heal nothing is answered 2xx that changes
anything, /ping says 503 and why, and what is in memory is still shown. A full disk heals.
"""

import collections
import concurrent.futures
import os
import time

import oracle
from history import Group, History, make_random, now
from load import Load, Target
from programs import PROGRAMS, DidNotStart, folder
from sessions import Gone, Refused
from shim import Fault

from harness import wait_until

# (calls, action, for ever?, fatal?, how often). Fatal: nothing can be promised until a restart.
CASES = [
    ("write", "EIO", False, True, 3), ("write", "EIO", True, True, 3),
    ("sync", "EIO", False, True, 3), ("sync", "EIO", True, True, 3),
    ("dirsync", "EIO", False, True, 2), ("create", "EIO", False, None, 2),
    ("create", "EIO", True, None, 1), ("truncate", "EIO", False, None, 1),
    ("rename", "EIO", False, None, 1), ("allocate", "EIO", False, None, 2),
    ("unlink", "EIO", False, None, 1), ("unlink", "EIO", True, None, 1),
    ("write", "ENOSPC", False, False, 3), ("write", "ENOSPC", True, False, 3),
    ("write,allocate,create", "ENOSPC", True, False, 3),
    ("allocate", "ENOSPC", False, False, 2), ("allocate", "ENOSPC", True, False, 3),
    ("create", "ENOSPC", False, False, 2), ("create", "ENOSPC", True, False, 1),
    ("sync", "ENOSPC", False, None, 2), ("dirsync", "ENOSPC", False, None, 1),
    ("write", "EINTR", False, False, 2), ("sync", "EINTR", False, None, 1),
    ("allocate", "EINTR", False, None, 1),
    ("write", "short", False, False, 2), ("write", "short", True, False, 1),
    ("write", "short_exit", False, None, 4),
]
MOST = {"write": 60, "sync": 40}
HEAL_SECONDS = 10.0


class Faults:
    """control "swallow": instead of failing, syncs and writes are not done at all."""

    def __init__(self, seed, runs, program="simplequeue", workers=4, control=None, say=print):
        self.seed, self.runs, self.program, self.workers = seed, runs, program, workers
        self.control, self.say = control, say

    def run(self):
        # Processes: the clients are threads, and Python runs one of these at a time.
        with concurrent.futures.ProcessPoolExecutor(self.workers) as pool:
            results = list(pool.map(one_run, [
                (self.seed, number, self.program, self.control) for number in range(self.runs)]))
        hits = collections.Counter(result.hit for result in results)
        outcomes = collections.Counter(result.outcome for result in results)
        violations = ["%s [seed %d run %d, %s]" % (text, self.seed, result.number, result.what)
                      for result in results for text in result.violations]
        self.say("faults: seed %d, %d runs, touched %s; %s; %d violations" % (
            self.seed, self.runs, dict(hits), dict(outcomes), len(violations)))
        return violations


class Result:
    def __init__(self, number, what):
        self.number, self.what = number, what
        self.hit = "nothing"
        self.outcome = "?"
        self.violations = []


def one_run(arguments):
    seed, number, program_name, control = arguments
    random = make_random("faults", seed, number)
    op, action, forever, fatal, _ = random.choices(CASES, [case[4] for case in CASES])[0]
    nth = random.randint(1, MOST.get(op.split(",")[0], 3))
    options = ["--sync=" + random.choice(("always", "always", "none", "50ms")),
               "--segment-bytes=" + random.choice(("64KiB", "64KiB", "1MiB"))]
    if control:
        op, action, forever, fatal, nth = "write", control, True, None, 5
    result = Result(number, "%s %s%s at %d, %s" % (
        op, action, " for ever" if forever else "", nth, " ".join(options)))
    with folder() as base:
        path = os.path.join(base, "data")
        os.mkdir(path)
        gate = os.path.join(base, "gate")
        open(gate, "w", encoding="ascii").close()
        program = PROGRAMS[program_name](path, options)
        fault = Fault(path, op, nth, action, times=0 if forever else 1, gate=gate)
        history = History(seed * 10000 + number)
        target = Target(program.session)
        load = Load(history, target, delays=0.05, max_waiting=500,
                    takers=1 if program_name == "simplequeue" else 0,
                    keys=0.1 if program_name == "simplequeue" else 0.0)
        run = Run(program, fault, gate, fatal, history, target, load, random, result)
        try:
            load.start()
            if random.random() < 0.5:
                run.before(path)
            run.bad_disk()
            run.sound_disk()
        except Exception as error:  # told with its run, so that it can be repeated
            result.violations.append("test: %r" % error)
    return result


class Run:
    def __init__(self, program, fault, gate, fatal, history, target, load, random, result):
        self.program, self.fault, self.gate, self.fatal = program, fault, gate, fatal
        self.history, self.target, self.load = history, target, load
        self.random, self.result = random, result
        self.hit_at_start = None

    def before(self, path):
        """Gives the bad disk something to recover, with half a write at its end."""
        daemon = self.program.start(Fault(path, "write", self.random.randint(5, 60), "short_exit",
                                          hit=path + ".before"))
        self.target.set(daemon.place)
        end = time.monotonic() + 0.1
        while time.monotonic() < end and daemon.running():
            time.sleep(0.003)
        daemon.kill()
        self.target.clear()

    def bad_disk(self):
        try:
            daemon = self.program.start(self.fault)
        except DidNotStart as error:
            self.result.outcome = "did not start"
            self.load.stop()
            if error.status not in (1, -9):
                self.wrong("start: %s" % error)
            return
        try:
            self.hit_at_start = self.fault.hit()
            self.target.set(daemon.place)
            end = time.monotonic() + 0.3
            while time.monotonic() < end and daemon.running() and not self.fault.hit():
                time.sleep(0.003)
            time.sleep(0.06 if daemon.running() else 0)
            if daemon.running() and self.program.session.counts_attempts:
                self.look(daemon)
            elif not daemon.running():
                self.result.outcome = "ended"
            self.load.stop()
            # redis-server ends by itself when it cannot write; simplequeue stays and says so.
            if (not daemon.running() and self.fault.action != "short_exit"
                    and self.program.session.counts_attempts):
                self.wrong("ended: by itself: %s" % daemon.stderr()[-2000:])
            self.end(daemon)
        finally:
            self.load.stop()
            daemon.kill()

    def is_fatal(self):
        """The pid in the lock is a courtesy, and that the identity is safe in its folder is another: of
        the syncs of a start it is the one with which the program starts all the same."""
        hit = self.fault.hit()
        if not self.fatal or not hit or hit.split()[2] == "lock":
            return False
        return not (self.hit_at_start and hit.startswith("dirsync"))

    def wrong(self, text):
        self.result.violations.append(text)

    def status(self, session, method, target, body=None):
        try:
            return session.ask(method, target, body).status
        except Refused as error:
            return error.status

    def puts(self, session):
        """The status of a put that is written down as any other."""
        seqs = self.history.take_seqs(99, 1)
        group = Group(99, seqs)
        self.history.groups.append(group)
        try:
            session.put("default", [self.history.body((99, seqs[0]))])
            group.answered = now()
            return 200
        except Refused as error:
            return error.status

    def look(self, daemon):
        session = self.program.session(daemon.place)
        try:
            ping = self.status(session, "GET", "/ping")
            for target in ("/peek?state=ready&items=3", "/stats?format=json", "/metrics", "/dump"):
                if self.status(session, "GET", target) != 200:
                    self.wrong("reads: %s is refused" % target)
            self.result.outcome = "went on" if ping == 200 else "refused"
            if not self.fault.hit():
                if ping != 200:
                    self.wrong("ping: %s though nothing failed" % ping)
            elif ping != 200 and not self.fatal:
                self.maybe_heals(session)
            if self.is_fatal():
                self.refuses(session, daemon)
        except Gone:
            if daemon.running():
                raise
            self.result.outcome = "ended"
        finally:
            session.close()

    def refuses(self, session, daemon):
        """It is for ever: one refusal is followed by no success."""
        wait_until(lambda: self.status(session, "GET", "/ping") == 503, 5, "/ping tells of the failure")
        answer = daemon_answer(session, "/ping")
        if len(answer.split()) < 2:
            self.wrong("ping: 503 without a reason: %r" % answer)
        since = now()
        self.result.outcome = "refused"
        for target, body in (("/put", b"x"), ("/mput", b"a\nb"), ("/get", None), ("/get?lease=1s", None)):
            try:
                answer = session.ask("POST" if body else "GET", target, body)
                if body or answer.body:  # an empty queue may say so: that changes nothing
                    self.wrong("refuses: %s was answered %d after a failure" % (target, answer.status))
            except Refused as error:
                if error.status != 503:
                    self.wrong("refuses: %s: %s" % (target, error))
        late = [group for group in self.history.groups
                if group.sent > since and group.answered]
        if late:
            self.wrong("refuses: a put was answered 200 after a failure")
        if self.status(session, "GET", "/ping") != 503:
            self.wrong("refuses: /ping became well again")

    def maybe_heals(self, session):
        """What is refused with 507 becomes well when there is room; with 503 it stays refused."""
        put = self.puts(session)
        if put == 503 and self.fatal is None:
            self.result.outcome = "refused"
            return
        if self.fatal is False:
            self.result.outcome = "healed"
        if self.fault.times == 0:
            os.unlink(self.gate)
        try:
            wait_until(lambda: self.puts(session) == 200 and
                       self.status(session, "GET", "/ping") == 200, HEAL_SECONDS, "healing")
            self.result.outcome = "healed"
            self.nothing_taken()
        except AssertionError:
            self.wrong("heals: not within %g s; put %s, ping %s" % (
                HEAL_SECONDS, self.puts(session), daemon_answer(session, "/ping")))

    def nothing_taken(self):
        """A full disk whose writes failed took nothing: what was taken and refused came back."""
        if "sync" not in self.fault.op:
            self.history.takings = [taking for taking in self.history.takings
                                    if taking.refused != 507]

    def end(self, daemon):
        if self.random.random() < 0.5 or not daemon.running():
            daemon.kill()
            return
        status = daemon.stop(expected=None, timeout=15)
        if self.result.outcome in ("went on", "healed") and status not in (0, -9):
            # A fault that comes with the end itself may be told by the status.
            if not self.fault.hit() or self.result.outcome == "healed":
                self.wrong("end: exit status %d" % status)

    def sound_disk(self):
        self.result.hit = (self.fault.hit() or "nothing").split()[0]
        try:
            daemon = self.program.start()
        except DidNotStart as error:
            self.wrong("start: on a sound disk: %s" % error)
            return
        remaining = self.program.drain(daemon, self.history)
        daemon.kill()
        self.result.violations += oracle.check(
            self.history, remaining, self.program.session.counts_attempts,
            self.program.session.keeps_order)


def daemon_answer(session, target):
    try:
        return session.ask("GET", target).text
    except Refused as error:
        return str(error)
