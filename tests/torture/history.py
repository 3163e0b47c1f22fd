"""What the clients of a queue meant and what they were told: the only witness the oracle hears.

A message is known by (writer, seq), dense for each writer, and its body follows from these and the
seed, so that a wrong byte shows. Times are time.monotonic_ns() of this process. Threads append to
lists, which Python does whole.
"""

import hashlib
import random
import time

now = time.monotonic_ns


class Group:
    """Messages of one request: all of them or none. answered: when its 200 was read, else None."""

    __slots__ = ("writer", "seqs", "sent", "answered", "refused", "delayed", "log_sent", "log_answered")

    def __init__(self, writer, seqs, delayed=False):
        self.writer, self.seqs, self.delayed = writer, seqs, delayed
        self.sent = now()
        self.answered = self.refused = None
        self.log_sent = self.log_answered = None  # bytes of the shim's log, for the power cut

    def keys(self):
        return [(self.writer, seq) for seq in self.seqs]


class Delivery:
    """One answer to a lease. items: (key, attempts or None, message id or None)."""

    __slots__ = ("reader", "sent", "received", "items", "run")

    def __init__(self, reader, sent, items, run):
        self.reader, self.sent, self.items, self.run = reader, sent, items, run
        self.received = now()


class Finish:
    """One request to finish. keys: those that were asked for, without those answered as missed."""

    __slots__ = ("keys", "sent", "answered", "log_sent", "log_answered")

    def __init__(self, keys):
        self.keys = keys
        self.sent = now()
        self.answered = None
        self.log_sent = self.log_answered = None


class Taking:
    """One request that takes without a lease. keys: None until it is answered."""

    __slots__ = ("items", "sent", "answered", "refused", "keys")

    def __init__(self, items):
        self.items = items
        self.sent = now()
        self.answered = self.refused = self.keys = None


class History:
    def __init__(self, seed, max_body=400):
        self.seed = seed
        self.max_body = max_body
        self.groups = []
        self.deliveries = []
        self.finishes = []
        self.requeued = set()  # keys that a reader gave back by hand: their order is free
        self.takings = []
        self.wrong = []  # what a client saw at once: a body that nobody wrote
        self.refusals = 0
        self.next_seq = {}

    def take_seqs(self, writer, count):
        """For the one thread that is this writer."""
        first = self.next_seq.get(writer, 0)
        self.next_seq[writer] = first + count
        return list(range(first, first + count))

    def body(self, key):
        """"w2:17:" and up to max_body bytes, any of the 256."""
        digest = hashlib.blake2b(b"%d:%d:%d" % (self.seed, *key), digest_size=32).digest()
        size = digest[0] * self.max_body // 256 if digest[1] < 250 else 20 * self.max_body
        return b"w%d:%d:" % key + (digest * (size // 32 + 1))[:size]

    def key_of(self, body):
        """(writer, seq), or None, noted as wrong, when nobody can have written this."""
        parts = body[:40].split(b":", 2)
        try:
            key = (int(parts[0][1:]), int(parts[1]))
            if len(parts) == 3 and body == self.body(key):
                return key
        except (ValueError, IndexError):
            pass
        self.wrong.append("a body that was never written: %r (%d bytes)" % (body[:60], len(body)))
        return None

    def acknowledged(self):
        return sum(len(group.seqs) for group in self.groups if group.answered)

    def summary(self):
        sent = sum(len(group.seqs) for group in self.groups)
        delivered = sum(len(delivery.items) for delivery in self.deliveries)
        finished = sum(len(finish.keys) for finish in self.finishes if finish.answered)
        return "%d sent, %d acknowledged, %d delivered, %d finished, %d refusals" % (
            sent, self.acknowledged(), delivered, finished, self.refusals)


def make_random(*parts):
    """A generator of its own for every part of a run, so that a seed repeats it."""
    return random.Random(":".join(map(str, parts)))
