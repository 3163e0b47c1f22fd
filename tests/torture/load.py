"""Writers, readers who lease, and takers who do not: they go on through every crash, and write down
what they were told."""

import threading
import time

from history import Delivery, Finish, Group, Taking, make_random, now
from sessions import Gone, Refused, Silent


class Target:
    """Where the queue is now. The driver sets it anew after every start."""

    def __init__(self, session):
        self.session = session
        self.changed = threading.Condition()
        self.port = None
        self.run = 0
        self.stopping = False

    def set(self, port):
        with self.changed:
            self.port = port
            self.run += 1
            self.changed.notify_all()

    def clear(self):
        with self.changed:
            self.port = None

    def stop(self):
        with self.changed:
            self.stopping = True
            self.changed.notify_all()

    def wait(self, not_run):
        """(port, run) of a run that is not `not_run`; (None, 0) when it is time to stop."""
        with self.changed:
            while not self.stopping and (self.port is None or self.run == not_run):
                self.changed.wait(1.0)
            return (None, 0) if self.stopping else (self.port, self.run)


QUEUES = ("default", "second")


class Client(threading.Thread):
    """A thread with a connection. `step` does one thing; Gone ends the connection."""

    def __init__(self, load, name, number):
        super().__init__(name=name, daemon=True)
        self.load = load
        self.history = load.history
        self.target = load.target
        self.number = number
        self.random = make_random(load.history.seed, name, number)
        self.run_number = 0
        self.session = None

    def run(self):
        broken = 0
        try:
            while not self.target.stopping:
                port, run = self.target.wait(broken)
                if port is None:
                    return
                try:
                    self.session = self.target.session(port)
                    self.run_number = run
                    while not self.target.stopping:
                        self.step()
                except Gone:
                    # Closed behind an error, or dead: then there is nobody to connect to.
                    broken = 0 if self.session else run
                except Silent as error:
                    self.history.wrong.append("silent: no answer to %s" % error)
                    broken = run
                finally:
                    if self.session:
                        self.load.half_answers += self.session.half_answers
                        self.session.close()
                        self.session = None
        except Exception as error:  # a fault of the test is no silence
            self.history.wrong.append("client %s: %r" % (self.name, error))
            raise

    def refused(self, error):
        self.history.refusals += 1
        if not isinstance(error.status, str) and error.status not in (503, 507):
            self.history.wrong.append("refused: %s" % error)
        time.sleep(0.005)

    def mark(self):
        return self.load.mark() if self.load.mark else None


class Writer(Client):
    """Puts messages (number, 0), (number, 1), ...; never the same twice but with a key."""

    def __init__(self, load, number):
        super().__init__(load, "writer", number)
        self.retry = None

    def step(self):
        if self.load.full():
            time.sleep(0.005)
            return
        if self.retry:
            group, key = self.retry
            self.send(group, key, 0.0)
            return
        choice = self.random.random()
        delay = self.random.choice((0.02, 0.05, 0.2)) if self.random.random() < self.load.delays else 0.0
        count = self.random.choice((2, 3, 10, 30)) if choice < 0.25 else 1
        key = None
        seqs = self.history.take_seqs(self.number, count)
        if count == 1 and choice < 0.25 + self.load.keys:
            key = "k%d-%d" % (self.number, seqs[0])
        group = Group(self.number, seqs, delayed=bool(delay))
        group.log_sent = self.mark()
        self.history.groups.append(group)
        self.send(group, key, delay)

    def send(self, group, key, delay):
        # With a key a put of unknown outcome is sent again, until it is answered.
        self.retry = (group, key) if key else None
        try:
            self.session.put(QUEUES[self.number % 2], [self.history.body(k) for k in group.keys()],
                             delay, key, self.random.choice((0.0, 0.0, 3600.0)))
            group.answered = now()
            group.log_answered = self.mark()
            self.retry = None
        except Refused as error:
            group.refused = error.status
            self.refused(error)


class Reader(Client):
    """Leases, and then finishes, gives back, buries, or forgets."""

    def __init__(self, load, number):
        super().__init__(load, "reader", number)

    def step(self):
        choice = self.random.random()
        items = 1 if self.random.random() < 0.3 else self.random.choice((2, 10, 50))
        forgets = choice < 0.05
        sent = now()
        try:
            leased = self.session.lease(self.random.choice(QUEUES), items, 0.1 if forgets else 60.0,
                                        0.02 if self.random.random() < 0.5 else 0.0)
            if not leased:
                time.sleep(0.001)
                return
            keys = [self.history.key_of(body) for _, _, _, body in leased]
            self.history.deliveries.append(Delivery(
                self.number, sent, [(key, attempts, ident) for key, (_, attempts, ident, _)
                                    in zip(keys, leased)], self.run_number))
            holding = [(token, key) for (token, _, _, _), key in zip(leased, keys) if key]
            if len(holding) == 1 and choice > 0.95 and len(leased[0][3]) < 2000:
                self.history.requeued.add(holding[0][1])
                self.session.replace(holding[0][0], leased[0][3])
                return
            if not forgets:
                self.work(choice, holding)
        except Refused as error:
            self.refused(error)

    def work(self, choice, holding):
        tokens = [token for token, _ in holding]
        if choice < 0.10:
            self.history.requeued.update(key for _, key in holding)
            self.session.requeue(tokens, self.random.choice((0.0, 0.03)))
            return
        if choice < 0.11:
            self.session.bury(tokens)
            return
        if choice < 0.16:
            self.session.touch(tokens, 30.0)
        if choice < 0.20:  # the first half now, the others twice, which must do no harm
            half = len(holding) // 2
            if half:
                self.finish(holding[:half])
            self.finish(holding[half:])
            self.session.finish([token for token, _ in holding[half:]])
            return
        self.finish(holding)

    def finish(self, holding):
        record = Finish([key for _, key in holding])
        record.log_sent = self.mark()
        self.history.finishes.append(record)
        missed = set(self.session.finish([token for token, _ in holding]))
        if missed:  # a lease ran out: it may be another's now
            record.keys = [key for token, key in holding if token not in missed]
        record.answered = now()
        record.log_answered = self.mark()


class Taker(Client):
    """Takes without a lease, so that what is taken and not answered may be gone with a crash. Stops
    at the first refusal, so that few outcomes are unknown."""

    def __init__(self, load, number):
        super().__init__(load, "taker", number)
        self.done = False

    def step(self):
        if self.done:
            time.sleep(0.01)
            return
        items = self.random.choice((1, 1, 3))
        taking = Taking(items)
        self.history.takings.append(taking)
        try:
            bodies = self.session.take(self.random.choice(QUEUES), items)
            taking.keys = [key for key in map(self.history.key_of, bodies) if key]
            taking.answered = now()
            if not bodies:
                time.sleep(0.002)
        except Refused as error:
            taking.refused = error.status
            self.done = True
            self.refused(error)


class Load:
    """`mark`: called around every write and answer, what it returns is kept (the shim's log)."""

    def __init__(self, history, target, writers=4, readers=2, takers=0, max_waiting=2000, delays=0.15,
                 keys=0.1, mark=None):
        self.history = history
        self.target = target
        self.max_waiting = max_waiting
        self.delays = delays
        self.keys = keys
        self.mark = mark
        self.half_answers = []  # begun, and the connection closed before their end
        self.threads = [Writer(self, number) for number in range(writers)]
        self.threads += [Reader(self, number) for number in range(readers)]
        self.threads += [Taker(self, number) for number in range(takers)]
        self.checked = (0, False)
        self.sent_before = sum(history.next_seq.values())
        self.finishes_before = len(history.finishes)

    def full(self):
        """Are readers so far behind that writers should wait? Counted every 50 ms."""
        when, verdict = self.checked
        if now() - when < 50_000_000:
            return verdict
        sent = sum(self.history.next_seq.values()) - self.sent_before
        finished = sum(len(finish.keys) for finish in self.history.finishes[self.finishes_before:]
                       if finish.answered)
        finished += sum(len(taking.keys or ()) for taking in self.history.takings[:])
        verdict = sent - finished > self.max_waiting
        self.checked = (now(), verdict)
        return verdict

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.target.stop()
        for thread in self.threads:
            thread.join(30.0)
            if thread.is_alive():
                self.history.wrong.append("client %s %d did not end" % (thread.name, thread.number))
