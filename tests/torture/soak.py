"""T10: many ids through put, lease and finish, in large requests, with 1 % forced failures (given
back, or never finished) and a kill -9 every second.

In the end the queue is empty and every acknowledged id was finished: missing 0, unexpected 0; and
what was delivered more than once is what was counted as a further attempt, but for leases whose
answer nobody read.
"""

import os
import threading
import time

from history import make_random
from load import Target
from programs import PROGRAMS, folder
from sessions import Gone, Silent

BATCH = 500
LEASE_SECONDS = 2.0


class Soak:
    def __init__(self, seed, ids, kill_every=1.0, say=print):
        self.seed, self.ids, self.kill_every, self.say = seed, ids, kill_every, say
        self.next_id = 0
        self.put_ids = 0
        self.lock = threading.Lock()
        self.deliveries = bytearray(ids)
        self.asked = bytearray(ids)  # to be finished
        self.finished = bytearray(ids)
        self.unsure = []  # (first, end) of requests to put whose answer was never read
        self.further = 0  # deliveries with more than one attempt
        self.repeated = 0  # deliveries of what had been delivered
        self.given_back = 0
        self.unread = 0  # messages that may have been in answers that were never read
        self.kills = 0
        self.violations = []

    def run(self):
        random = make_random("soak", self.seed)
        began = time.monotonic()
        with folder() as base:
            path = os.path.join(base, "data")
            self.program = program = PROGRAMS["simplequeue"](path, ["--segment-bytes=4MiB"])
            self.target = Target(program.session)
            threads = [threading.Thread(target=self.write, daemon=True) for _ in range(2)]
            threads += [threading.Thread(target=self.read, args=(n,), daemon=True) for n in range(2)]
            for thread in threads:
                thread.start()
            self.daemon = daemon = None
            try:
                deadline = began + 60 + self.ids / 1000
                while not self.done():
                    if time.monotonic() > deadline:
                        self.violations.append("slow: %s" % self.state())
                        break
                    sync = random.choice(("always", "none", "100ms"))
                    self.daemon = daemon = program.start(options=["--sync=" + sync])
                    self.target.set(daemon.place)
                    end = time.monotonic() + self.kill_every * random.uniform(0.5, 1.5)
                    while time.monotonic() < end and not self.done():
                        time.sleep(0.05)
                    if not daemon.running():
                        self.violations.append("ended: by itself: %s" % daemon.stderr()[-2000:])
                        break
                    if time.monotonic() >= end:
                        daemon.kill()
                        self.target.clear()
                        self.kills += 1
            finally:
                self.target.stop()
                for thread in threads:
                    thread.join(30)
            if daemon and daemon.running():
                self.nothing_left(program, daemon)
                daemon.stop()
        self.judge()
        self.say("soak: seed %d, %s, %d kills, %.1f s: %d violations" % (
            self.seed, self.state(), self.kills, time.monotonic() - began, len(self.violations)))
        return self.violations

    def done(self):
        """Everything was put, as far as one knows, and everything that was delivered finished; and
        nothing is left."""
        if self.next_id < self.ids or not self.daemon or not self.daemon.running():
            return False
        with self.lock:
            if self.put_ids + sum(end - first for first, end in self.unsure) < self.ids:
                return False
        return self.left() == 0

    def left(self):
        """Messages in the queue, in any state."""
        session = None
        try:
            session = self.target.session(self.daemon.place)
            return sum(self.program.counts(session).values())
        except (Gone, Silent):
            return -1
        finally:
            if session:
                session.close()

    def state(self):
        return ("%d ids, %d acknowledged, %d finished, %d given back, %d repeated, %d further attempts, "
                "%d unread at most") % (self.ids, self.put_ids, sum(self.finished), self.given_back,
                                        self.repeated, self.further, self.unread)

    def body(self, number):
        return b"%d:%d:" % (self.seed, number) + b"x" * (number % 97)

    def each_run(self, work):
        """Goes on with work(session) on each new connection until there is no more."""
        broken = 0
        while True:
            port, run = self.target.wait(broken)
            if port is None:
                return
            session = None
            try:
                session = self.target.session(port)
                if work(session):
                    return
            except Gone:
                broken = run
            except Silent as error:
                self.violations.append("silent: %s" % error)
                broken = run
            finally:
                if session:
                    session.close()

    def write(self):
        def work(session):
            while not self.target.stopping:
                with self.lock:
                    first = self.next_id
                    end = self.next_id = min(self.ids, first + BATCH)
                if first == end:
                    return True
                try:
                    session.put("default", [self.body(number) for number in range(first, end)])
                except (Gone, Silent):
                    # All or nothing, and nobody knows which.
                    with self.lock:
                        self.unsure.append((first, end))
                    raise
                with self.lock:
                    self.put_ids += end - first
            return True

        self.each_run(work)

    def read(self, number):
        random = make_random("soak reader", self.seed, number)

        def work(session):
            while not self.target.stopping:
                try:
                    leased = session.lease("default", BATCH, LEASE_SECONDS, wait=0.05)
                except Gone:
                    with self.lock:
                        self.unread += BATCH
                    raise
                self.take(session, leased, random)
            return True

        self.each_run(work)

    def take(self, session, leased, random):
        tokens, numbers, back = [], [], []
        with self.lock:
            for token, attempts, _, body in leased:
                number = self.number_of(body)
                if number is None:
                    continue
                if attempts > 1:
                    self.further += 1
                if self.deliveries[number]:
                    self.repeated += 1
                    if attempts == 1:
                        self.violations.append("attempts: %d was delivered again, as if first" % number)
                if self.finished[number]:
                    self.violations.append("undead: %d was delivered after its finish" % number)
                self.deliveries[number] = min(255, self.deliveries[number] + 1)
                choice = random.random()
                if choice < 0.005:
                    self.given_back += 1  # its lease will run out
                elif choice < 0.01:
                    self.given_back += 1
                    back.append(token)
                else:
                    tokens.append(token)
                    numbers.append(number)
        if back:
            session.requeue(back)
        if tokens:
            # A finish of unknown outcome: it may have been the last that was heard of them.
            with self.lock:
                for number in numbers:
                    self.asked[number] = 1
            missed = set(session.finish(tokens))
            with self.lock:
                for token, number in zip(tokens, numbers):
                    if token not in missed:
                        self.finished[number] = 1

    def number_of(self, body):
        try:
            seed, number, _ = body.split(b":", 2)
            if int(seed) == self.seed and body == self.body(int(number)):
                return int(number)
        except (ValueError, IndexError):
            pass
        self.violations.append("unexpected: %r" % body[:60])
        return None

    def nothing_left(self, program, daemon):
        session = program.session(daemon.place)
        for state, count in program.counts(session).items():
            if count != 0:
                self.violations.append("unexpected: %s is %d at the end" % (state, count))
        session.close()

    def judge(self):
        unsure = bytearray(self.ids)
        for first, end in self.unsure:
            there = sum(1 for number in range(first, end) if self.deliveries[number])
            if there not in (0, end - first):
                self.violations.append("half: %d of %d from %d on" % (there, end - first, first))
            unsure[first:end] = b"\1" * (end - first)
        for number in range(self.next_id):
            if not self.finished[number] and not self.asked[number] and not (
                    unsure[number] and not self.deliveries[number]):
                self.violations.append("missing: %d, delivered %d times" % (
                    number, self.deliveries[number]))
        # An answer that was never read counted as an attempt, too.
        if not self.repeated <= self.further <= self.repeated + self.unread:
            self.violations.append("repeated: %d times, and %d further attempts, at most %d unread" % (
                self.repeated, self.further, self.unread))
