"""Prints what the demo found: report.py PUBLISHED SUMMARY-FILE FOLDER. Exits 1 when messages are missing.

PUBLISHED is what file_to_http saw acknowledged; the file holds the JSON summary of queuereader. Each
counted for itself. In the folder are the pictures; index.html there shows them all.
"""

import html
import json
import os
import sys

TOP = 5
PICTURES = (("ages", "how old a link is when it is clicked, in seconds"), ("age", "its mean and deviation"),
            ("countries", "countries"), ("referrers", "where clicks come from"), ("links", "from where to where"))


def days(seconds):
    return "%.1f days" % (seconds / 86400)


def line(name, value, more=""):
    print("  %-28s %14s%s" % (name, value, "   " + more if more else ""))


def table(title, rows, width=60):
    print("\n" + title)
    for row in rows[:TOP]:
        # A sketch never counts too few; where it may count too many, it says by how much.
        more = "   (at most %d fewer)" % row["error"] if row.get("error") else ""
        value = row["value"] if len(row["value"]) <= width else row["value"][:width - 1] + "…"
        print("  %10d  %s%s" % (row["count"], value, more))


def page(folder, title):
    """One page with the pictures, which needs nothing else."""
    parts = []
    for name, caption in PICTURES:
        with open(os.path.join(folder, name + ".svg"), encoding="utf-8") as file:
            parts.append("<figure><figcaption>%s</figcaption>%s</figure>" % (html.escape(caption), file.read()))
    with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
        file.write("<!doctype html><html lang=en><meta charset=utf-8><title>%s</title>"
                   "<style>body{font:16px sans-serif;margin:2em auto;max-width:60em}figure{margin:2em 0}"
                   "figcaption{font-weight:bold;margin-bottom:.5em}svg{max-width:100%%;height:auto}</style>"
                   "<h1>%s</h1>%s</html>\n" % (html.escape(title), html.escape(title), "".join(parts)))


def main():
    published = int(sys.argv[1])
    with open(sys.argv[2], encoding="utf-8") as file:
        summary = json.load(file)

    def found(name):
        return next(task["summary"] for task in summary["tasks"] if task["name"] == name)

    age = found("age")
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
    table("top countries", found("countries")["top"])
    table("top referrers", found("referrers")["top"])

    page(sys.argv[3], "%d clicks" % age["count"])
    print("\npictures: %s" % os.path.join(sys.argv[3], "index.html"))
    lost = published - processed
    print("\n%d published, %d processed, %d lost" % (published, processed, lost))
    return 0 if lost == 0 and published > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
