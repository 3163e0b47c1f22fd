"""What the tests of ps_to_file share: a pubsub that keeps its past, a folder, and what is in it."""

import glob
import gzip
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import Daemon, post, wait_until


def content(path):
    """What a file holds, decompressed by the programs that everybody has."""
    if ".zst" in path:
        # Frames up to the cut of a part file are whole; the name does not tell what it is.
        return subprocess.run(["zstd", "-dc", "--no-progress", "-"], stdin=open(path, "rb"),
                              capture_output=True, check=True).stdout
    with open(path, "rb") as file:
        data = file.read()
    return gzip.decompress(data) if ".gz" in path else data


def number_of(path, base):
    """The {n} of a file's name, or its .N; part files and finished ones alike."""
    match = re.search(r"\.(\d+)(?=(\.gz|\.zst)?(\.part)?$)", path[len(base):])
    return int(match.group(1)) if match else 0


def summary(archiver):
    """The numbers of the last line: received, written, filtered, files completed."""
    line = archiver.stderr().rstrip("\n").rsplit("\n", 1)[-1]
    match = re.fullmatch(r"ps_to_file: (\d+) received, (\d+) written, (\d+) filtered, "
                         r"(\d+) files completed", line)
    if not match:
        raise AssertionError("no summary in %r" % archiver.stderr())
    return tuple(int(number) for number in match.groups())


class ArchiveCase(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rivulet_archive_")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.pubsub = Daemon("pubsub", "--retain-bytes=256MiB")
        self.addCleanup(self.pubsub.kill)

    def path(self, name):
        return os.path.join(self.folder, name)

    def start(self, name, *args, url=None, env=None):
        """An archiver of all that the pubsub has and gets, into files of that name."""
        archiver = Daemon("ps_to_file", "--filename-format=" + self.path(name),
                          "--pubsub-url=" + (url or self.pubsub.url("/sub?since=earliest")),
                          "--checkpoint-interval=20ms", "--max-backoff=50ms", *args, env=env)
        self.addCleanup(archiver.kill)
        return archiver

    def restart(self, name, *args):
        """One that was started before; awaited until it follows, and so hears SIGTERM."""
        archiver = self.start(name, *args)
        archiver.wait_for_log("following")
        return archiver

    def publish(self, body, query=""):
        answer = post(self.pubsub.url("/pub" + query), body)
        self.assertEqual(answer.status, 200, answer.body)

    def files(self):
        """All files below the folder, but what begins with a dot; relative."""
        return sorted(os.path.relpath(path, self.folder)
                      for path in glob.glob(self.path("**/*"), recursive=True)
                      if os.path.isfile(path))

    def position(self):
        """What the state says the source was read up to."""
        try:
            with open(self.path(".ps_to_file.state"), encoding="utf-8") as state:
                match = re.search(r"^position (\d+) ", state.read(), re.M)
        except FileNotFoundError:
            return 0
        return int(match.group(1)) if match else 0

    def await_position(self, position, timeout=30):
        wait_until(lambda: self.position() >= position, timeout,
                   "position %d in the state" % position)

    def content(self, name):
        return content(self.path(name))
