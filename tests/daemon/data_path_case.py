"""What tests of a daemon with --data-path share: its folder, a restart as after a crash, and a disk
that can be filled."""

import contextlib
import glob
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Daemon


def disk_bytes(path):
    """What the journal in that folder takes."""
    sizes = []
    for file in glob.glob(os.path.join(path, "*.journal")):
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            sizes.append(os.path.getsize(file))
    return sum(sizes)


class DataPathCase(unittest.TestCase):
    """.path is the data path, which the daemon makes; .folder is there, around it."""

    PROGRAM = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rivulet-%s-" % self.PROGRAM)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.path = os.path.join(self.folder, "data")

    def start(self, *args):
        return Daemon(self.PROGRAM, "--data-path=" + self.path, *args)

    def restarted(self, daemon, *args):
        """The same after kill -9."""
        daemon.kill()
        return self.start(*args)

    @contextlib.contextmanager
    def small_disk(self):
        """A file system of 4 MiB at self.path; skips where one cannot be mounted."""
        os.mkdir(self.path)
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", self.path],
                               capture_output=True, text=True)
        if mount.returncode != 0:
            self.skipTest("a file system to fill cannot be mounted here: " + mount.stderr.strip())
        try:
            yield
        finally:
            subprocess.run(["umount", "-l", self.path], check=True)
