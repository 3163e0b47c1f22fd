"""kill -9 of ps_to_file: every line of the source is in its files once, and none twice."""

import collections
import os
import subprocess
import time

from bridge_kills import POSITION_SECONDS, one_kill
from bridge_rig import Found, Kept, Numbers, Publisher, Source, judge
from history import make_random
from programs import folder

POINTS = {"write": 8, "sync": 6, "create": 4, "rename": 6, "truncate": 2, "unlink": 2}
READERS = {"none": None, "gzip": ["gzip", "-dc"], "zstd": ["zstd", "-dcq"]}


def archive_kills(seed, kills, compression, longest=0.3, per_second=3000):
    """Files by seconds and by size; small ones, so that kills come in the middle of their changes."""
    random = make_random("archive", seed, compression)
    found = Found("ps_to_file killed, " + compression, seed)
    numbers = Numbers(seed, odd=0)
    points = collections.Counter()
    with folder() as base:
        source = Source(base, sync="none")
        source.start()
        files = os.path.join(base, "state")
        os.mkdir(files)
        state = os.path.join(files, "state")
        archiver = Kept("ps_to_file", "--pubsub-url=" + source.url(), "--compress=" + compression,
                        "--filename-format=" + os.path.join(files, "%H%M%S-{n}.lines"),
                        "--max-file-size=64KiB", "--state-file=" + state,
                        "--checkpoint-interval=" + random.choice(("20ms", "100ms")),
                        "--sync=" + random.choice(("always", "none", "checkpoint")), listens=False)
        publisher = Publisher(source, numbers, 10**9, at_a_time=20, pause=20 / per_second)
        publisher.start()
        for _ in range(kills):
            one_kill(archiver, files, random, points, found, random.uniform(0.005, longest), POINTS, 0.6)
        publisher.stopping = True
        publisher.join(30)
        archiver.start()
        deadline = time.monotonic() + POSITION_SECONDS
        while archived(state) < publisher.acknowledged and time.monotonic() < deadline:
            time.sleep(0.05)
        archiver.stop()
        sent = source.numbers(numbers)
        lines = Lines(files, compression, numbers)
        found.note("%d kills, %d of them at named points (%s), %d files" % (
            kills, sum(points.values()), ", ".join("%s %d" % point for point in sorted(points.items())),
            lines.files))
        judge(found, sent, lines, 0)
        source.kill()
    return found


def archived(state):
    """The position that the state of ps_to_file has."""
    try:
        with open(state, encoding="utf-8") as lines:
            return max([int(line.split(" ")[1]) for line in lines if line.startswith("position ")] or [0])
    except FileNotFoundError:
        return 0


class Lines:
    """What files hold together, complete ones and parts, as judge() reads it."""

    def __init__(self, base, compression, numbers):
        self.arrived, self.unexpected, self.files = [], [], 0
        for name in sorted(os.listdir(base)):
            if ".lines" in name:
                self.files += 1
                self.read(os.path.join(base, name), READERS[compression], numbers)

    def read(self, path, reader, numbers):
        with open(path, "rb") as file:
            data = file.read()
        if reader:
            run = subprocess.run(reader, input=data, capture_output=True)
            if run.returncode != 0:
                self.unexpected.append(b"%s: %s" % (path.encode(), run.stderr[:200]))
            data = run.stdout
        *lines, rest = data.split(b"\n")
        if rest:
            self.unexpected.append(b"a line without an end: " + rest[:60])
        for line in lines:
            number = numbers.number_of(line)
            if number is None:
                self.unexpected.append(line[:60])
            else:
                self.arrived.append(number)
