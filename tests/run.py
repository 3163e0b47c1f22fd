"""The one runner behind `make test`: unit tests of each flavour, daemon tests, documents.

    tests/run.py --bin=build/bin --build=build/release [--flavours=asan,tsan] [--jobs=3] [FILTER...]

Builds are made by make. A FILTER keeps the parts whose name holds it (`unit`, `test_cli`, ...).
Progress is a line a part; a failure is printed whole. The last line is the sum of all test cases:
`N passed, N failed, N skipped`. The exit status is 0 only when something ran and nothing failed.

Daemon tests are tests/daemon/test_*.py, a process a file. A file named *hostile*, or with a line
`SANITIZED = True`, runs a second time against the programs built with ASan and UBSan. A line
`ALONE = True` keeps others from running beside it (for measures of time and memory); a line
`LONG = True` starts it before those without, so that the end is not one long part by itself.
`WAITS = True` says that it mostly waits for time to pass: one such runs beside the others, over --jobs.
"""

import argparse
import concurrent.futures
import glob
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DOCTEST_SUM = re.compile(
    r"^\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed\s*\|\s*(\d+) skipped",
    re.MULTILINE)
# What a sanitized unit_tests runs beside itself, as sources' names for doctest (the rest is a part too).
UNIT_HALF = "*/unit/pubsub/*,*/unit/journal/*"
# Of a failed run, repeated at the end: a part's lines that say what failed, and how many in all.
FAILURE = re.compile(
    r": (ERROR|FATAL ERROR): |^  (values|logged): |^  (FAILED |.*AssertionError)|^\w*(Error|Exception)\b|^  File .*test_\w+\.py., line|^TEST CASE: "
    r"|runtime error: |ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|^SUMMARY: |: (exit status|ended by signal) ")
FAILURE_LINES = 60
RESULT_MARK = "RIVULET-TEST-RESULT "
UNIT_TIMEOUT = 300
FILE_TIMEOUT = 600
# Debian's llvm-symbolizer is a package of its own; addr2line, which g++ brings, names lines as well.
SANITIZER_ENV = {
    "ASAN_OPTIONS": "allow_addr2line=1:detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Part:
    """One process's worth of tests."""

    def __init__(self, name, command, env=None, timeout=FILE_TIMEOUT, alone=False, long=False,
                 waits=False):
        self.name = name
        self.command = command
        self.env = env or {}
        self.timeout = timeout
        self.alone = alone
        self.long = long
        self.waits = waits
        self.passed = self.failed = self.skipped = 0
        self.reasons = []  # why something was skipped
        self.output = ""
        self.seconds = 0.0

    def run(self):
        start = time.monotonic()
        process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
            errors="backslashreplace", env={**os.environ, **SANITIZER_ENV, **self.env},
            stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self.output, _ = process.communicate(timeout=self.timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the group that this part started
            self.output, _ = process.communicate()
            status = "still running after %d s" % self.timeout
        self.seconds = time.monotonic() - start
        self.read_result(status)
        return self

    def read_result(self, status):
        found = self.counts()
        if found:
            self.passed, self.failed, self.skipped = found
        if (status != 0 and not self.failed) or not found:
            self.failed += 1
            self.output += "\n%s: %s\n" % (
                self.name, "ended by signal %d" % -status if isinstance(status, int) and status < 0
                else "exit status %s" % status)


class UnitPart(Part):
    """A doctest binary, or those of its tests whose source a filter names or does not name."""

    def __init__(self, name, path, source_filter=""):
        super().__init__(name, ["./" + path, "-nc", *filter(None, [source_filter])],
                         timeout=UNIT_TIMEOUT, long=True)
        self.is_whole = not source_filter

    def counts(self):
        match = DOCTEST_SUM.search(self.output)
        if not match:
            return None
        _, passed, failed, skipped = map(int, match.groups())
        # doctest ends a run at --abort-after or a crash with the cases so far.
        for line in re.findall(r"^.*\bSKIPPED: (.*)$", self.output, re.MULTILINE):
            self.reasons.append(line)
        # What the filter left to the other part counts as skipped.
        return passed, failed, skipped if self.is_whole else 0


class PythonPart(Part):
    """A file of unittest cases, run by this script's --file."""

    def counts(self):
        at = self.output.rfind(RESULT_MARK)
        if at < 0:
            return None
        result = json.loads(self.output[at + len(RESULT_MARK):].split("\n", 1)[0])
        self.output = self.output[:at]
        self.reasons = result["reasons"]
        return result["passed"], result["failed"], result["skipped"]


def run_file(path):
    """The worker: runs one file of unittest cases and prints a line a case, then the result."""
    import unittest

    class Lines(unittest.TestResult):
        def __init__(self):
            super().__init__()
            self.passed = self.bad = 0
            self.reasons = []

        def startTest(self, test):
            super().startTest(test)
            self.started = time.monotonic()

        def say(self, word, test, more=""):
            print("  %s %s (%.2f s)%s" % (
                word, test.id() if hasattr(test, "id") else test,
                time.monotonic() - getattr(self, "started", time.monotonic()), more), flush=True)

        def addSuccess(self, test):
            self.passed += 1
            self.say("ok     ", test)

        def bad_one(self, test, err):
            self.bad += 1
            self.say("FAILED ", test)
            print(self._exc_info_to_string(err, test) if hasattr(test, "id") else err, flush=True)

        def addFailure(self, test, err):
            self.bad_one(test, err)

        def addError(self, test, err):
            if not hasattr(test, "_testMethodName"):  # setUpClass, setUpModule
                self.bad += 1
                self.say("FAILED ", test)
                import traceback
                print("".join(traceback.format_exception(*err)), flush=True)
            else:
                self.bad_one(test, err)

        def addSubTest(self, test, subtest, err):
            if err is not None:
                self.bad_one(subtest, err)
                self.failures.append((subtest, ""))

        def addSkip(self, test, reason):
            self.reasons.append("%s: %s" % (test.id() if hasattr(test, "id") else test, reason))
            self.say("skipped", test, ": " + reason)

        def addExpectedFailure(self, test, err):
            self.bad_one(test, err)

        def addUnexpectedSuccess(self, test):
            self.bad += 1
            self.say("FAILED ", test, ": unexpected success")

    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    sys.path.insert(0, os.path.join(ROOT, "tests", "daemon"))
    name = os.path.splitext(os.path.basename(path))[0]
    result = Lines()
    try:
        suite = unittest.defaultTestLoader.loadTestsFromName(name)
        suite.run(result)
    except unittest.SkipTest as skip:
        result.reasons.append("%s: %s" % (name, skip))
    print(RESULT_MARK + json.dumps({
        "passed": result.passed, "failed": result.bad, "skipped": len(result.reasons),
        "reasons": result.reasons}), flush=True)
    return 1 if result.bad else 0


def has_line(path, line):
    with open(path, encoding="utf-8") as source:
        return any(text.rstrip() == line for text in source)


def python_part(path, bin_dir, build, suffix=""):
    name = os.path.splitext(os.path.basename(path))[0] + suffix
    return PythonPart(
        name, [sys.executable, "-B", os.path.abspath(__file__), "--file=" + path],
        env={"RIVULET_BIN_DIR": os.path.abspath(bin_dir),
             "RIVULET_BUILD_DIR": os.path.abspath(build),
             "RIVULET_EXAMPLES_DIR": os.path.abspath(os.path.join(build, "examples"))},
        alone=has_line(path, "ALONE = True"), long=has_line(path, "LONG = True"),
        waits=has_line(path, "WAITS = True"))


def all_parts(options):
    parts = []
    builds = [options.build] + ["build/" + f for f in options.flavours.split(",") if f]
    for build in builds:
        path = os.path.join(build, "unit_tests")
        if os.path.exists(os.path.join(ROOT, path)):
            name = "unit " + os.path.basename(build)
            if os.path.basename(build) == "asan":
                parts.append(UnitPart(name + " (pubsub, journal)", path, "--source-file=" + UNIT_HALF))
                parts.append(UnitPart(name, path, "--source-file-exclude=" + UNIT_HALF))
            else:
                parts.append(UnitPart(name, path))
    for path in sorted(glob.glob(os.path.join(ROOT, "tests", "daemon", "test_*.py"))):
        parts.append(python_part(path, options.bin, options.build))
        sanitized = "hostile" in os.path.basename(path) or has_line(path, "SANITIZED = True")
        if sanitized and "asan" in options.flavours.split(","):
            parts.append(python_part(path, "build/asan/bin", "build/asan", " asan"))
    if options.filters:
        parts = [p for p in parts if any(f in p.name for f in options.filters)]
    # Those that want the machine for themselves are last.
    return sorted(parts, key=lambda p: (p.alone, not p.long))


def report(part, lock, verbose):
    with lock:
        counts = "%d passed" % part.passed
        if part.failed:
            counts += ", %d FAILED" % part.failed
        if part.skipped:
            counts += ", %d skipped" % part.skipped
        print("%-34s %s (%.1f s)" % (part.name, counts, part.seconds), flush=True)
        if part.failed or verbose:
            print(part.output.rstrip(), flush=True)
        why = {}
        for reason in part.reasons:
            test, _, text = reason.partition(": ")
            why.setdefault(text or test, []).append(test)
        for text, tests in why.items():
            named = tests[0] if len(tests) == 1 else "%s and %d more" % (tests[0], len(tests) - 1)
            print("    skipped %s: %s" % (named, text), flush=True)


def failure_lines(parts):
    """What failed, in few lines: who sees only the end of a long log sees this."""
    failed = [part for part in parts if part.failed]
    lines = []
    for part in failed:
        found = [line.rstrip()[:300] for line in part.output.split("\n")]
        chosen = []
        for at, line in enumerate(found):
            if FAILURE.search(line):
                # doctest prints the expression in the next line.
                more = found[at + 1:at + 2] if re.search(r": (FATAL )?ERROR: ", line) else []
                chosen += [text for text in [line, *more] if text not in chosen]
        share = max(3, (FAILURE_LINES - 1) // len(failed) - 1)
        lines += ["-- " + part.name, *(chosen or found[-share - 1:])[:share]]
    return lines[:FAILURE_LINES - 1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", default="build/bin")
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--flavours", default="asan,tsan")
    parser.add_argument("--jobs", type=int, default=3)  # on two cores: daemon tests wait more than they work
    parser.add_argument("--verbose", action="store_true", help="print what passing parts print, too")
    parser.add_argument("--file", help="run one file of cases in this process (used by itself)")
    parser.add_argument("filters", nargs="*")
    options = parser.parse_args()
    if options.file:
        return run_file(options.file)

    os.chdir(ROOT)
    parts = all_parts(options)
    lock = threading.Lock()
    together = [p for p in parts if not p.alone]
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool, \
            concurrent.futures.ThreadPoolExecutor(1) as waiting:
        for done in concurrent.futures.as_completed(
                [(waiting if p.waits else pool).submit(p.run) for p in together]):
            report(done.result(), lock, options.verbose)
    for part in parts:
        if part.alone:
            report(part.run(), lock, options.verbose)

    failed = sum(p.failed for p in parts)
    passed = sum(p.passed for p in parts)
    skipped = sum(p.skipped for p in parts)
    bad = [p.name for p in parts if p.failed]
    if bad:
        print("\n".join(failure_lines(parts)))
        print("failed in: %s" % ", ".join(bad))
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped), flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
