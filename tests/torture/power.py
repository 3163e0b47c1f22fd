"""T5: the power goes. A load runs under the shim, which writes down what reaches the files and
what is synced; every client notes how long that log was before it sent and after it was answered.
From the log states of the disk are rebuilt (disk_model.py) in which what was not synced is missing
in part, the program is started on each, and what it brings back is compared with what it had
promised until then.

Every third state is not only looked at: work goes on from it, with a log of its own, until the power
goes again. So recovery must make safe what it repairs.

--sync=always: nothing that was answered may miss. An interval: only what was answered within the
last interval, one running fdatasync and some slack may. No policy lets the start refuse, brings
back what was never sent, half an /mput, or a later message of a writer without an earlier one.
"""

import bisect
import collections
import concurrent.futures
import copy
import os
import tempfile
import time

import oracle
from disk_model import MODES, SYNC_BEGIN, SYNC_END, Disk, read_log
from history import History, make_random, now
from load import Load, Target
from programs import PROGRAMS, DidNotStart, folder
from shim import Fault

SLACK_NS = 150_000_000
RUN_SECONDS = 0.15
STATES_AGAIN = 8  # of a load that goes on behind a power cut


class PowerCuts:
    """states: how many are rebuilt. sync: the policy that runs; judge: the one it is judged by.
    swallow: the shim lets no sync through, and so none is in its log."""

    def __init__(self, seed, states, sync="always", judge=None, swallow=False, seconds=1.0,
                 workers=2, say=print):
        self.seed, self.states, self.sync, self.judge = seed, states, sync, judge or sync
        self.swallow, self.seconds, self.workers, self.say = swallow, seconds, workers, say

    def run(self):
        self.random = make_random("power", self.seed, self.sync)
        self.options = ["--sync=" + self.sync,
                        "--segment-bytes=" + self.random.choice(("64KiB", "64KiB", "256KiB"))]
        self.kinds = collections.Counter()
        self.generations = 0
        violations = []
        with folder() as base:
            # Two thirds of the states follow one long load, the others shorter ones behind a cut.
            again = self.states // 3
            worst = self.one_load(base, {}, History(self.seed, max_body=300), self.states - again,
                                  self.seconds, violations)
            for number in range(0, again, STATES_AGAIN):
                files, part = worst[number // STATES_AGAIN % len(worst)]
                self.one_load(base, files, as_past(part), min(STATES_AGAIN, again - number), 0.2, violations)
        self.say("power: seed %d, %s%s: %d loads, %d operations, %d syncs; %d states: %d violations" % (
            self.seed, " ".join(self.options), ", syncs swallowed" if self.swallow else "",
            self.generations, sum(self.kinds.values()), self.kinds[SYNC_END], self.states,
            len(violations)))
        return violations

    def one_load(self, base, files, history, states, seconds, violations):
        """Works from the state `files` on, and judges what the power may leave of it. Returns states
        to go on from, with the history until then."""
        self.generations += 1
        path = os.path.join(base, "data-%d" % self.generations)
        log = path + ".log"
        os.mkdir(path)
        disk = Disk()
        for name, data in files.items():
            with open(os.path.join(path, name), "wb") as file:
                file.write(data)
                disk.put(name, data, os.fstat(file.fileno()).st_ino)
        try:
            self.load(path, log, history, seconds)
        except DidNotStart as error:
            violations.append("start: %s [seed %d load %d]" % (error, self.seed, self.generations))
            return []
        records = read_log(log)
        self.kinds.update(record.kind for record in records)
        violations += history.wrong
        cuts = list(self.cuts(disk, records, history, states))
        violations += unlike(disk, path)
        with concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            for found in pool.map(lambda cut: self.judge_cut(base, *cut), cuts):
                violations += found
        return [(files, part) for _, files, part in self.random.sample(cuts, min(10, len(cuts)))]

    def judge_cut(self, base, what, files, part):
        return ["%s [%s]" % (text, what) for text in judge_state(files, part, base)]

    def load(self, path, log, history, seconds):
        """Runs it, with kill -9 now and then, whose recovery is in the log too."""
        open(log, "wb").close()
        program = PROGRAMS["simplequeue"](path, self.options)
        target = Target(program.session)
        load = Load(history, target, delays=0.05, max_waiting=300, mark=lambda: os.stat(log).st_size)
        load.start()
        try:
            self.runs(program, target, path, log, seconds)
        finally:
            load.stop()

    def runs(self, program, target, path, log, seconds):
        kill = path + ".kill"
        swallow = {"op": "sync,dirsync", "nth": 1, "action": "swallow", "times": 0} if self.swallow else {}
        self.starts = []
        for _ in range(max(2, round(seconds / RUN_SECONDS))):
            self.starts.append(os.stat(log).st_size)
            if os.path.exists(kill):
                os.unlink(kill)
            daemon = program.start(Fault(path, log=log, kill=kill, **swallow))
            target.set(daemon.place)
            time.sleep(RUN_SECONDS)
            open(kill, "wb").close()
            try:
                daemon.wait(5)
            except AssertionError:
                daemon.kill()  # it has nothing to do
            target.clear()

    def cut(self, records, random):
        """How many records were done: often just behind a start, where recovery's claims are new."""
        if random.random() < 0.3:
            begun = bisect.bisect(records, random.choice(self.starts), key=lambda record: record.end)
            return min(len(records), begun + random.randint(1, 15))
        return random.randint(1, len(records))

    def cuts(self, disk, records, history, states):
        """(what, files, history until then). The disk is followed once, to the last record."""
        random = self.random
        cuts = sorted(self.cut(records, random) for _ in range(states))
        longest = longest_sync(records)
        done = 0
        for number, cut in enumerate(cuts):
            while done < cut:
                disk.apply(records[done])
                done += 1
            mode = random.choice(MODES)
            files = disk.state(mode, random)
            last = records[cut - 1]
            required = last.time_ns if self.judge == "always" else 0
            if self.judge not in ("always", "none"):
                interval = int(self.judge[:-2]) * 1_000_000
                required = last.time_ns - interval - longest - SLACK_NS
            part = until(history, last.end, required, self.judge != "always")
            yield "seed %d load %d state %d, cut at %d of %d, %s" % (
                self.seed, self.generations, number, cut, len(records), mode), files, part
        for record in records[done:]:
            disk.apply(record)


def unlike(disk, path):
    """With nothing missing the model must have what the folder has: the shim saw every call."""
    model = disk.state("all", make_random())
    found = []
    for name in sorted(set(os.listdir(path)) | set(model)):
        try:
            with open(os.path.join(path, name), "rb") as file:
                real = file.read()
        except FileNotFoundError:
            real = None
        if model.get(name) != real:
            found.append("model: %s is not as the calls say" % name)
    return found


def longest_sync(records):
    begun, longest = {}, 0
    for record in records:
        if record.kind == SYNC_BEGIN:
            begun[record.offset] = record.time_ns
        elif record.kind == SYNC_END:
            longest = max(longest, record.time_ns - begun.get(record.offset, record.time_ns))
    return longest


def until(history, log_bytes, time_ns, by_time):
    """The history as far as it had come when the log was so long: sent before, and answered before
    (by the log, or for an interval by the time)."""
    part = History(history.seed, history.max_body)

    def cut(things):
        for thing in things:
            if thing.log_sent is None or thing.log_sent > log_bytes:
                continue
            thing = copy.copy(thing)
            if thing.answered and (thing.answered > time_ns if by_time else
                                   thing.log_answered is None or thing.log_answered > log_bytes):
                thing.answered = None
            yield thing

    part.acknowledged_keys = {key for group in history.groups for key in group.keys()
                              if group.log_answered is not None and group.log_answered <= log_bytes}
    part.groups = list(cut(history.groups))
    part.finishes = list(cut(history.finishes))
    part.next_seq = dict(history.next_seq)
    part.requeued = history.requeued | {key for delivery in history.deliveries for key, _, _ in delivery.items}
    return part


def as_past(part):
    """A history that goes on: what was until then is settled, and what was lost, as it may be with an
    interval, is not asked for again."""
    for thing in part.groups + part.finishes:
        thing.log_sent = 0
        thing.log_answered = 0 if thing.answered else None
    return part


def judge_state(files, history, base):
    path = tempfile.mkdtemp(prefix="state-", dir=base)
    for name, data in files.items():
        with open(os.path.join(path, name), "wb") as file:
            file.write(data)
    program = PROGRAMS["simplequeue"](path, ["--segment-bytes=64KiB"])
    try:
        daemon = program.start(options=["--sync=none"])
    except DidNotStart as error:
        return ["start: %s" % error]
    try:
        remaining = program.drain(daemon, history)
    finally:
        daemon.kill()
    for name in os.listdir(path):
        os.unlink(os.path.join(path, name))
    os.rmdir(path)
    return oracle.check(history, remaining, attempts=False, order=False) + in_place(history, remaining)


def in_place(history, remaining):
    """What no client had seen is in the order of its writer, and none misses before one that is
    there."""
    found = []
    there = [item[0] for item in remaining if item[0] is not None]
    gone = {key for finish in history.finishes for key in finish.keys}
    delayed = {key for group in history.groups if group.delayed for key in group.keys()}
    highest = {}
    for key in there:
        highest[key[0]] = max(highest.get(key[0], -1), key[1])
    present = set(there)
    for group in history.groups:
        for key in group.keys():
            if (key in history.acknowledged_keys and key[1] < highest.get(key[0], -1)
                    and key not in present and key not in gone):
                found.append("hole: %s misses before w%d:%d" % (oracle.name(key), key[0], highest[key[0]]))
    last = {}
    for key in there:
        if key in delayed or key in history.requeued:
            continue
        if key[1] < last.get(key[0], -1):
            found.append("order: %s stands behind %s" % (oracle.name(key), oracle.name((key[0], last[key[0]]))))
        last[key[0]] = max(key[1], last.get(key[0], -1))
    return found
