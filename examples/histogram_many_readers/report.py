"""Prints the histogram in Redis beside a plain count: report.py HASH-AS-JSON NUMBERS. Exits 1 when they differ."""

import collections
import json
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        # 1.000 is not below 1, where the last bucket ends.
        found = {10 if bucket == "overflow" else int(bucket): int(count)
                 for bucket, count in json.load(file).items()}
    with open(sys.argv[2], encoding="utf-8") as file:
        counted = collections.Counter(int(json.loads(line)["x"] * 1000) // 100 for line in file)
    most = max(counted.values())
    for bucket, count in sorted(found.items()):
        span = "%.1f - %.1f" % (bucket / 10, (bucket + 1) / 10) if bucket < 10 else "1 or more"
        print("  %s  %7d  %s" % (span, count, "#" * (50 * count // most)))
    same = found == dict(counted)
    print("%d numbers counted, %s a plain count's" % (sum(found.values()), "exactly as" if same else "NOT as"))
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
