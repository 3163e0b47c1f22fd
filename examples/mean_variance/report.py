"""Prints what was found beside the secret: report.py SUMMARY-FILE MEAN VARIANCE. Exits 1 when they differ."""

import json
import math
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = json.load(file)["tasks"][0]["summary"]
    n, kurtosis = found["count"], found["kurtosis"]
    variance = found["stddev"] ** 2
    well = True
    print("%d numbers" % n)
    for name, estimate, error, secret in (
            ("mean", found["mean"], found["stddev"] / math.sqrt(n), float(sys.argv[2])),
            ("variance", variance, variance * math.sqrt((kurtosis + 2) / n), float(sys.argv[3]))):
        away = abs(estimate - secret) / error
        well = well and away < 5
        print("%-8s %9.4f +- %.4f   the secret was %g, %.1f standard errors away"
              % (name, estimate, error, secret, away))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
