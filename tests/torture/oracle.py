"""Judges a history (history.py) and what was found in the queue when it was drained at the end.

The rules, of promises P1 to P5:
  lost        acknowledged, no finish was asked for, and not there at the end
  invented    delivered or there at the end, and never sent; or a body with a wrong byte
  undead      delivered, or there at the end, after its finish (or its taking) was answered 200
  twice       two message ids for one put; or in the queue twice; or finished by two holders
  attempts    delivered again without a higher count of attempts
  order       a first delivery behind a later message's of the same writer
  half        some messages of one /mput, but not all
Each violation is one line that begins with the rule's name.
"""

import collections


def check(history, remaining, attempts=True, order=True):
    """`remaining`: (key, attempts, message id) of everything that the drained queue held, in order.
    `attempts`, `order`: whether the queue claims these at all (a Redis list does not count)."""
    found = list(history.wrong)
    for delivery in history.deliveries:
        delivery.items = [item for item in delivery.items if item[0] is not None]
    remaining = [item for item in remaining if item[0] is not None]
    facts = Facts(history, remaining)
    for rule in (lost, invented, undead, twice, half):
        found += rule(facts)
    if attempts:
        found += rising_attempts(facts)
    if order:
        found += in_order(facts)
    return found


class Facts:
    """The history by message."""

    def __init__(self, history, remaining):
        self.history = history
        self.remaining = remaining
        self.remaining_keys = {key for key, _, _ in remaining}
        self.sent = {}
        for group in history.groups:
            for key in group.keys():
                self.sent[key] = group
        self.delivered = collections.defaultdict(list)  # key: (Delivery, attempts, id)
        for delivery in history.deliveries:
            for key, attempts, ident in delivery.items:
                self.delivered[key].append((delivery, attempts, ident))
        self.finish_sent = set()
        self.finished = {}  # key: the first Finish that was answered
        self.finished_again = []
        for finish in history.finishes:
            self.finish_sent.update(finish.keys)
            if finish.answered:
                for key in finish.keys:
                    if key in self.finished:
                        self.finished_again.append(key)
                    else:
                        self.finished[key] = finish
        self.taken = set()
        self.taken_again = []
        # Who takes without a lease, and is not answered 200, may have taken.
        self.may_be_taken = sum(taking.items for taking in history.takings if taking.keys is None)
        for taking in history.takings:
            for key in taking.keys or ():
                if key in self.taken or key in self.finished:
                    self.taken_again.append(key)
                self.taken.add(key)

    def there(self, key):
        """Was it in the queue at any time, as far as clients saw?"""
        return key in self.delivered or key in self.remaining_keys or key in self.taken


def name(key):
    return "w%d:%d" % key


def lost(facts):
    missing = []
    for group in facts.history.groups:
        if not group.answered:
            continue
        for key in group.keys():
            if (key not in facts.remaining_keys and key not in facts.finish_sent
                    and key not in facts.taken):
                missing.append(key)
    return ["lost: %s was acknowledged%s" % (
        name(key), ", delivered %d times" % len(facts.delivered[key]) if key in facts.delivered else "")
        for key in missing] if len(missing) > facts.may_be_taken else []


def invented(facts):
    seen = set(facts.delivered) | facts.remaining_keys | facts.taken
    return ["invented: %s was never sent" % name(key) for key in sorted(seen - set(facts.sent))]


def undead(facts):
    found = []
    for key, finish in facts.finished.items():
        if key in facts.remaining_keys:
            found.append("undead: %s is in the queue, and its finish was answered" % name(key))
        for delivery, _, _ in facts.delivered[key]:
            if delivery.sent > finish.answered:
                found.append("undead: %s was delivered %.3f s after its finish was answered" % (
                    name(key), (delivery.sent - finish.answered) / 1e9))
    for key in facts.taken & facts.remaining_keys:
        found.append("undead: %s is in the queue, and was taken" % name(key))
    return found


def twice(facts):
    found = ["twice: %s was finished by two holders" % name(key) for key in facts.finished_again]
    found += ["twice: %s was taken, and had been taken or finished" % name(key)
              for key in facts.taken_again]
    idents = collections.defaultdict(set)
    for key, deliveries in facts.delivered.items():
        idents[key].update(ident for _, _, ident in deliveries if ident is not None)
    count = collections.Counter()
    for key, _, ident in facts.remaining:
        count[key] += 1
        if ident is not None:
            idents[key].add(ident)
    found += ["twice: %s is in the queue %d times" % (name(key), times)
              for key, times in count.items() if times > 1]
    found += ["twice: %s has the ids %s" % (name(key), sorted(ids))
              for key, ids in idents.items() if len(ids) > 1]
    return found


def half(facts):
    found = []
    for group in facts.history.groups:
        if len(group.seqs) > 1:
            there = sum(1 for key in group.keys() if facts.there(key))
            missing = sum(1 for key in group.keys()
                          if not facts.there(key) and key not in facts.finish_sent)
            if there and missing > facts.may_be_taken:
                found.append("half: %d of the %d messages from %s on" % (
                    there, len(group.seqs), name(group.keys()[0])))
    return found


def rising_attempts(facts):
    """A poll that waited may have been asked before and answered after another, so that only
    deliveries one behind the other have an order."""
    found = []
    for key, deliveries in facts.delivered.items():
        seen = sorted(deliveries, key=lambda d: d[1])
        if seen and seen[0][1] < 1:
            found.append("attempts: %s was delivered with %d" % (name(key), seen[0][1]))
        for lower, higher in zip(seen, seen[1:]):
            if lower[1] == higher[1]:
                found.append("attempts: %s was delivered twice with %d" % (name(key), lower[1]))
            elif lower[0].sent > higher[0].received:
                found.append("attempts: %s was delivered with %d after %d" % (
                    name(key), lower[1], higher[1]))
    return found


def in_order(facts):
    """First deliveries: those with one attempt. Only what was answered before the other was asked
    for is ordered; an answer's own messages are, too. Puts that were not answered before the next
    was sent are ordered all the same, for a writer sends one at a time."""
    found = []
    asked = []
    for delivery in facts.history.deliveries:
        first = collections.defaultdict(list)
        for key, attempts, _ in delivery.items:
            group = facts.sent.get(key)
            if attempts in (1, None) and group and not group.delayed and key not in facts.history.requeued:
                first[key[0]].append(key[1])
        for writer, seqs in first.items():
            if seqs != sorted(seqs):
                found.append("order: one answer has %s of writer %d" % (seqs, writer))
            asked.append((delivery.sent, delivery.received, writer, min(seqs), max(seqs)))
    asked.sort()
    answered = sorted(asked, key=lambda a: a[1])
    highest = {}
    at = 0
    for sent, _, writer, low, _ in asked:
        while at < len(answered) and answered[at][1] < sent:
            _, _, other, _, high = answered[at]
            highest[other] = max(highest.get(other, -1), high)
            at += 1
        if low < highest.get(writer, -1):
            found.append("order: %s came first behind %s" % (
                name((writer, low)), name((writer, highest[writer]))))
    return found
