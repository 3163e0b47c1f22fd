"""fault_shim.c for a daemon: builds it when it is not there, and makes the environment that arms it.

    with Daemon("simplequeue", "--data-path=" + path,
                env=Fault(path, op="sync", nth=3, action="EIO").env) as queue: ...
"""

import os
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OPS = ("write", "sync", "dirsync", "create", "unlink", "rename", "truncate", "allocate")


def library():
    """The path of the shared object, compiled anew when its source is younger."""
    build = os.environ.get("RIVULET_BUILD_DIR", os.path.join(ROOT, "build", "release"))
    source = os.path.join(HERE, "fault_shim.c")
    path = os.path.join(build, "torture", "fault_shim.so")
    if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        fresh = "%s.%d.%d" % (path, os.getpid(), threading.get_ident())
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-g", "-Wall", "-Wextra", "-Wshadow", "-Werror",
                        "-shared", "-fPIC", "-pthread", source, "-o", fresh], check=True)
        os.rename(fresh, path)  # another run may do the same at this moment
    return path


class Fault:
    """What is to happen below the folder `path`. `times` 0: for ever; `gate`, `log` and `kill` are files, or
    None. .hit(): the call that was touched first, as text, or None."""

    def __init__(self, path, op="any", nth=0, action=None, times=1, gate=None, log=None,
                 kill=None, hit=None):
        self.op, self.nth, self.action, self.times = op, nth, action, times
        self.path = os.path.realpath(path)
        self.hit_file = hit or self.path + ".hit"
        self.env = {"LD_PRELOAD": library(), "FAULT_PATH": self.path}
        if action:
            self.env.update(FAULT_OP=op, FAULT_NTH=str(nth), FAULT_ACTION=action,
                            FAULT_TIMES=str(times), FAULT_HIT=self.hit_file)
        if gate:
            self.env["FAULT_GATE"] = gate
        if kill:
            self.env["FAULT_KILL"] = kill
        if log:
            self.env["FAULT_LOG"] = log
        # Of the sanitized programs, whose runtime wants to be the first library.
        if "ASAN_OPTIONS" in os.environ:
            self.env["ASAN_OPTIONS"] = os.environ["ASAN_OPTIONS"] + ":verify_asan_link_order=0"

    def __str__(self):
        many = "for ever from" if self.times == 0 else "at"
        return "%s %s %s %d" % (self.action, many, self.op, self.nth)

    def hit(self):
        try:
            with open(self.hit_file, encoding="utf-8") as lines:
                return lines.read().split("\n")[0].strip() or None
        except FileNotFoundError:
            return None
