"""The statistics among the tasks: equal to a plain computation over the same messages, by key too, across a
restart, as results that are emitted, and as pictures; and what hostile values do to them."""

import collections
import json
import math
import random
import statistics
import unittest
import urllib.parse
import xml.dom.minidom

from harness import Daemon, get, post, wait_until
from reader_case import ReaderCase

SANITIZED = True


def messages(count, seed):
    """Clicks: a country, an amount, a page."""
    chance = random.Random(seed)
    return [{"geo": {"c": chance.choice(["US", "US", "BR", "DE", "\u00ff<&>"])},
             "x": round(chance.lognormvariate(2, 1.5), 3), "n": chance.randrange(-20, 50),
             "page": "p%d" % int(chance.expovariate(.1))} for _ in range(count)]


def lines(each):
    return "".join(json.dumps(message) + "\n" for message in each)


def by_country(each, field):
    values = collections.defaultdict(list)
    for message in each:
        values[message["geo"]["c"]].append(message[field])
    return values


class StatisticsCase(ReaderCase):
    @classmethod
    def compile(cls, name, source):
        pass  # there are no plugins here

    def results(self, text, *tasks, extra=()):
        """{name: summary} of these tasks over a file."""
        path = self.path("messages", text)
        summary = self.run_json("--source=file:" + path, *["--task=" + task for task in tasks], *extra)
        return {task["name"]: task["summary"] for task in summary["tasks"]}


class EqualToPython(StatisticsCase):
    def test_moments_histogram_quantiles_distinct_and_top_of_each_key(self):
        each = messages(4000, 1)
        found = self.results(
            lines(each), "moments:field=x,by=geo.c,name=moments", "distinct:field=page,by=geo.c,name=distinct",
            "quantiles:field=x,by=geo.c,q=0/0.5/0.99/1,name=quantiles", "top:field=page,k=3,by=geo.c,name=top",
            "histogram:field=n,low=-10,high=40,buckets=5,by=geo.c,name=histogram")
        x = by_country(each, "x")
        for name in found:
            self.assertEqual((found[name]["count"], found[name]["skipped"], found[name]["keys"]), (4000, 0, 4))
        rows = {name: {row["key"]: row for row in found[name]["by"]} for name in found}
        for key, values in x.items():
            moments = rows["moments"][key]
            self.assertEqual(moments["count"], len(values))
            self.assertAlmostEqual(moments["mean"], statistics.fmean(values), places=9)
            self.assertAlmostEqual(moments["stddev"], statistics.stdev(values), places=8)
            ordered = sorted(values)
            for name, q in (("p0", 0), ("p50", .5), ("p99", .99), ("p100", 1)):
                true = ordered[math.floor(q * (len(values) - 1))]
                self.assertLessEqual(abs(rows["quantiles"][key][name] - true), .01 * true + 1e-9)
            pages = by_country(each, "page")[key]
            # Exact to 64 of them; then five standard errors of precision 10.
            self.assertAlmostEqual(rows["distinct"][key]["distinct"], len(set(pages)),
                                   delta=0 if len(set(pages)) <= 64 else 5 * .0325 * len(set(pages)))
            counted = collections.Counter(pages)
            top = [row for row in found["top"]["by"] if row["key"] == key]
            self.assertEqual([row["count"] for row in top], [n for _, n in counted.most_common(3)])
            self.assertEqual([counted[row["value"]] for row in top], [row["count"] for row in top])
            histogram, n = rows["histogram"][key], by_country(each, "n")[key]
            self.assertEqual((histogram["underflow"], histogram["overflow"]),
                             (sum(v < -10 for v in n), sum(v >= 40 for v in n)))

    def test_a_histogram_of_integers_and_one_of_buckets_are_exact(self):
        each = messages(3000, 2)
        found = self.results(lines(each), "histogram:field=n,scale=integer,name=integers",
                             "histogram:field=x,low=0,high=100,buckets=20,name=fixed",
                             "histogram:field=x,scale=log,low=1,high=1000,per_decade=1,name=log")
        self.assertEqual({row["value"]: row["count"] for row in found["integers"]["buckets"]},
                         dict(collections.Counter(message["n"] for message in each)))
        fixed = collections.Counter(int(message["x"] // 5) * 5 for message in each if message["x"] < 100)
        self.assertEqual({row["low"]: row["count"] for row in found["fixed"]["buckets"]}, dict(fixed))
        log = collections.Counter(10 ** (len(str(int(message["x"]))) - 1) for message in each
                                  if 1 <= message["x"] < 1000)
        self.assertEqual({row["low"]: row["count"] for row in found["log"]["buckets"]}, dict(log))
        self.assertEqual(found["log"]["underflow"], sum(message["x"] < 1 for message in each))

    def test_a_line_and_a_shared_store_of_the_reader_itself(self):
        each = messages(2000, 3)
        for message in each:
            message["y"] = 3 * message["x"] + message["n"]
        found = self.results(lines(each), "regression:x=x,y=y,name=line", "moments:field=x,name=own",
                             "moments:field=x,store=shared,name=shared", "histogram:field=n,scale=integer,"
                             "store=shared,name=integers", extra=("--store=memory:",))
        slope, intercept = statistics.linear_regression([m["x"] for m in each], [m["y"] for m in each])
        self.assertAlmostEqual(found["line"]["slope"], slope, places=9)
        self.assertAlmostEqual(found["line"]["intercept"], intercept, places=7)
        self.assertEqual(found["shared"]["count"], 2000)
        for name in ("mean", "stddev", "skewness", "min", "max"):
            self.assertAlmostEqual(found["shared"][name], found["own"][name], places=7)
        self.assertEqual({row["value"]: row["count"] for row in found["integers"]["buckets"]},
                         dict(collections.Counter(message["n"] for message in each)))


class Running(StatisticsCase):
    TASKS = ("--task=moments:field=x,by=geo.c,name=moments", "--task=histogram:field=n,scale=integer,name=n",
             "--task=quantiles:field=x,name=q", "--task=top:field=page,name=top",
             "--task=distinct:field=page,name=pages", "--task=rate:name=rate")

    def start(self, queue, *args):
        reader = Daemon("queuereader", *self.args("--source=" + queue.url(), "--http-address=127.0.0.1:0",
                                                  "--sleeptime-queue-empty=10ms", *args), listens=True)
        self.addCleanup(reader.kill)
        return reader

    def summary(self, reader, name):
        return get(reader.url("/tasks/" + urllib.parse.quote(name, safe="") + "?format=json")).json()

    @staticmethod
    def emitted(path):
        with open(path) as file:
            return [json.loads(line) for line in file.read().splitlines(True) if line.endswith("\n")]

    def test_a_restart_goes_on_where_the_checkpoint_was(self):
        each = messages(1200, 4)
        state = "--checkpoint-dir=" + self.path("state") + ".d"
        with Daemon("simplequeue") as queue:
            for first, last in ((0, 500), (500, 1200)):
                self.assertEqual(post(queue.url("/mput"), lines(each[first:last])).status, 200)
                reader = self.start(queue, state, *self.TASKS)
                wait_until(lambda: self.summary(reader, "n")["count"] == last, 20)
                found = {name: self.summary(reader, name) for name in ("moments", "n", "q", "top", "pages")}
                reader.stop()
        whole = self.results(lines(each), *[task[7:] for task in self.TASKS])
        for name, summary in found.items():
            self.assertEqual(summary, whole[name])

    def test_results_are_emitted_and_pictures_are_well_formed(self):
        out = self.path("out")
        with Daemon("simplequeue") as queue:
            reader = self.start(queue, "--output=out=file:" + out, "--task=moments:field=x,by=geo.c,name=each,"
                                "every=1ms,output=out", *self.TASKS[1:])
            for message in messages(300, 5):
                post(queue.url("/put"), json.dumps(message))
            wait_until(lambda: self.summary(reader, "n")["count"] == 300, 20)
            for name in ("each", "n", "q", "top", "pages", "rate"):
                answer = get(reader.url("/tasks/" + name + "?view=svg"))
                self.assertEqual((answer.status, answer.header("Content-Type")), (200, "image/svg+xml"))
                picture = xml.dom.minidom.parseString(answer.body).documentElement
                self.assertEqual(picture.tagName, "svg")
                self.assertGreater(len(picture.getElementsByTagName("text")), 2)
            wait_until(lambda: len(self.emitted(out)) >= 3, 20)
            reader.stop()
        emitted = self.emitted(out)
        self.assertEqual({line["task"] for line in emitted}, {"each"})
        counts = [line["results"]["count"] for line in emitted]
        self.assertEqual(counts, sorted(counts))
        self.assertEqual(set(emitted[-1]["results"]["by"][0]),
                         {"key", "count", "mean", "stddev", "skewness", "kurtosis", "min", "max"})


class Hostile(StatisticsCase):
    def test_values_that_are_none_are_counted_and_harm_no_other(self):
        odd = ['{"k":"a"}', '{"k":"a","x":null}', '{"k":"a","x":"12"}', '{"k":"a","x":[1]}', '{"k":"a","x":{"x":1}}',
               '{"k":"a","x":true}', '[]', '7', '"x"', 'null', '{"x":1}', '{"x":1,"k":null}', '{"x":1,"k":[]}',
               '{"x":1,"k":"%s"}' % ("k" * 1025), '{"x":1,"k":"%s"}' % ("k" * (1 << 20)),
               '{"x":1e308,"k":"a"}', '{"x":-1e308,"k":"a"}', '{"x":1,"k":""}', '{"x":2,"k":"a"}',
               '{"x":4,"k":"a"}', '{"x":5e-324,"k":"\\u0000"}']
        tasks = ("moments:field=x,by=k", "histogram:field=x,low=0,high=5,by=k", "quantiles:field=x,by=k",
                 "distinct:field=x,by=k", "top:field=x,by=k", "rate:field=x,by=k", "ewma:field=x,by=k",
                 "drift:field=x,by=k", "regression:x=x,y=x,by=k")
        found = self.results("\n".join(odd) + "\n", *tasks)
        for task in tasks:
            with self.subTest(task):
                summary = found[task]
                # 1e308 is beyond what these add up; a negative number is none to rate.
                limited = task.split(":")[0] in ("moments", "ewma", "drift", "regression", "rate")
                texts = 1 if task.startswith(("distinct", "top")) else 0  # "12" is a value there
                self.assertEqual(summary["count"], 6 + texts - (2 if limited else 0))
                self.assertEqual(summary["skipped"], 13 - texts + (2 if limited else 0))
                self.assertEqual((summary["keys"], summary["bad_keys"], summary["other_keys"]), (3, 2, 0))
                self.assertEqual({row["key"] for row in summary["by"]}, {"a", "", "\0"})
        moments = {row["key"]: row for row in found[tasks[0]]["by"]}["a"]
        self.assertEqual((moments["mean"], moments["min"], moments["max"]), (3, 2, 4))

    def test_keys_without_end_cost_no_memory_without_end(self):
        text = "".join('{"k":"key number %d","x":%d}\n' % (i, i) for i in range(30000))
        found = self.results(text, "moments:field=x,by=k,max_keys=50", "top:field=k,by=k,max_keys=50")
        for summary in found.values():
            self.assertEqual((summary["keys"], summary["count"], summary["other_keys"]), (50, 50, 29950))


if __name__ == "__main__":
    unittest.main()
