"""The algorithms: nanoseconds an update, beside published figures and Boost's libraries."""

import os
import re
import subprocess

import harness
from report import number, table

# Nanoseconds an update that are to be met, and whose they are: public libraries', one core.
AIMS = {
    "moments update": (11, "a public library's M2-M4"),
    "hyperloglog update": (10, "public libraries' 8 to 10"),
    "quantiles update": (10, "a public DDSketch"),
    "histogram update, fixed": (4.7, "HdrHistogram, as published"),
    "histogram update, log": (4.7, "HdrHistogram, as published"),
    "histogram update, integers": (4.7, "HdrHistogram, as published"),
    "beta draw": (203, "a public library's"),
}
# What Boost's header libraries, or the standard's, need for the same, measured in the same run.
PEERS = {
    "moments update": "Boost.Accumulators mean and variance",
    "covariance update": "Boost.Accumulators covariance",
    "quantiles update": "Boost.Accumulators one quantile (P2)",
    "histogram update, fixed": "Boost.Histogram fixed",
    "histogram update, log": "Boost.Histogram log",
    "histogram update, integers": "Boost.Histogram integers",
    "beta draw": "std::gamma_distribution, two as a beta draw",
}


def measured_rows(program):
    """[(name, median ns, least ns)] of a program that prints them, in its order."""
    path = os.path.join(harness.ROOT, harness.BENCH, program)
    if not os.access(path, os.X_OK):
        raise harness.BenchError(f"{path} is not built")
    done = subprocess.run([path], capture_output=True, text=True, check=True, timeout=300)
    lines = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines() if line.strip()]
    return [(line[0], float(line[1]), float(line[2])) for line in lines[1:]]


def algorithms(_rounds, _seconds, report, _context):
    rows = []
    try:
        rows = measured_rows("algorithms_bench")
    except (harness.BenchError, OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        report.note(f"algorithms: not measured: {error}")
    medians = {name: median for name, median, _least in rows}
    printed = []
    for name, median, least in rows:
        aim, whose = AIMS.get(name, (None, "-"))
        peer = medians.get(PEERS.get(name))
        printed.append((name, number(median, 1), number(least, 1), "-" if aim is None else f"{aim:g}",
                        number(median / aim if aim else None, 2), number(peer, 1),
                        number(median / peer if peer else None, 2)))
        if aim:
            report.aim(f"{name}: ns", f"<= {aim:g} ({whose})", number(median, 1), median <= aim)
    report.section("Algorithms and JSON: ns an update, one core", table(
        ["update", "median", "least", "aim", "of the aim", "peer", "of the peer's"], printed))
    if any(name.startswith("Boost") for name in medians):
        report.note("Boost.Accumulators' moments are sums of powers of the values, which keep no digit of a variance "
                    "beside a large mean (-2 for NIST's NumAcc4, where it is 0.01): ours stand beside its mean and "
                    "variance, which keep theirs.")
    else:
        report.note("Boost's headers were not installed (libboost-dev) when algorithms_bench was built.")
    report.note("libhdr-histogram, DDSketch and HyperLogLog libraries are not in Debian 12: their published "
                "figures are the aims.")


ALL = {"algorithms": algorithms}
