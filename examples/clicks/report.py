"""Prints what the demo found: report.py PUBLISHED SUMMARY-FILE. Exits 1 when messages are missing.

PUBLISHED is what file_to_http saw acknowledged; the file holds the JSON summary of queuereader. Each
counted for itself.
"""

import json
import sys

TOP = 5


def days(seconds):
    return "%.1f days" % (seconds / 86400)


def line(name, value, more=""):
    print("  %-28s %14s%s" % (name, value, "   " + more if more else ""))


def table(title, rows, width=60):
    print("\n" + title)
    for row in rows[:TOP]:
        # A sketch never counts too few; where it may count too many, it says by how much.
        more = "   (at most %d fewer)" % row["error"] if row["error"] else ""
        value = row["value"] if len(row["value"]) <= width else row["value"][:width - 1] + "…"
        print("  %10d  %s%s" % (row["count"], value, more))


def main():
    published = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        summary = json.load(file)

    def found(name):
        return next(task["summary"] for task in summary["tasks"] if task["name"].startswith(name))

    age = found("moments")
    # Every message counts once, whatever became of it; a retry is no message of its own.
    processed = summary["messages"] - summary["requeued"]

    print()
    line("clicks", age["count"])
    line("heartbeats skipped", found("count")["heartbeats"])
    line("malformed lines set aside", summary["malformed"])
    print("\nage of a link when it is clicked, t - hc, in seconds")
    line("mean", "%.10g" % age["mean"], days(age["mean"]))
    line("standard deviation", "%.10g" % age["stddev"], days(age["stddev"]))
    line("skewness", "%.10g" % age["skewness"])
    line("kurtosis", "%.10g" % age["kurtosis"])
    table("top countries", found("top:field=c")["top"])
    table("top referrers", found("top:field=r")["top"])

    lost = published - processed
    print("\n%d published, %d processed, %d lost" % (published, processed, lost))
    return 0 if lost == 0 and published > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
