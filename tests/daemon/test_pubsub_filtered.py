"""One pubsub that publishes again what another sends, filtered: in the field, across restarts of
either side. And filters of subscribers. What is expected is said by Python's json, hmac and re."""

import copy
import hashlib
import hmac
import json
import os
import random
import re
import tempfile
import unittest

from harness import Daemon, framed, free_port, get, post, run_program, unframed, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True

KEY = "a key for the tests"


def keyed_hash(text):
    return hmac.new(KEY.encode(), text.encode(), hashlib.sha256).hexdigest()[:32]


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def secret(self, name, text):
        with open(self.path(name), "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as file:
            file.write(text + "\n")
        return self.path(name)

    def start(self, *args):
        daemon = Daemon("pubsub", *args)
        self.addCleanup(daemon.kill)
        return daemon

    def upstream(self, *args):
        return self.start("--retain-bytes=16MiB", *args)

    def republisher(self, urls, *args):
        urls = [urls] if isinstance(urls, str) else urls
        daemon = self.start("--retain-bytes=64MiB", *["--pubsub-url=" + url for url in urls], *args)
        return daemon

    def metric(self, daemon, name):
        """The sum of the samples that start with `name`."""
        text = get(daemon.url("/metrics")).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if line.startswith("rivulet_pubsub_republish_" + name))

    def await_connected(self, daemon):
        wait_until(lambda: self.metric(daemon, "connected") == 1, 20, "the source to be followed")

    def await_metric(self, daemon, name, value):
        wait_until(lambda: self.metric(daemon, name) >= value, 20, "%s %g" % (name, value))

    def publish(self, daemon, *messages, query="?format=framed"):
        body = framed(messages)
        answer = post(daemon.url("/pub" + query), body)
        self.assertEqual(answer.status, 200, answer.body)

    def messages(self, daemon, topic="default"):
        answer = get(daemon.url(
            "/sub?format=framed&since=earliest&until=now&topic=" + topic))
        self.assertEqual(answer.status, 200, answer.body)
        return unframed(answer.body)

    def await_messages(self, daemon, count, topic="default"):
        wait_until(lambda: len(self.messages(daemon, topic)) >= count, 20,
                   "message %d of the republisher" % count)
        return self.messages(daemon, topic)


def without(value, path):
    """`value` without what stands at the path, in arrays too."""
    if isinstance(value, list):
        return [without(element, path) for element in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, inner in value.items():
        if path[0] == key:
            if len(path) == 1:
                continue
            inner = without(inner, path[1:])
        kept[key] = inner
    return kept


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def hashed(value, path):
    if isinstance(value, list):
        return [hashed(element, path) for element in value]
    if not isinstance(value, dict):
        return value
    changed = {}
    for key, inner in value.items():
        if path[0] == key:
            if len(path) > 1:
                inner = hashed(inner, path[1:])
            elif inner is not None:
                inner = keyed_hash(inner if isinstance(inner, str) else compact(inner))
        changed[key] = inner
    return changed


def random_value(source, depth=0):
    kind = source.randrange(8 if depth < 4 else 5)
    if kind == 0:
        return source.choice([None, True, False])
    if kind in (1, 2):
        return source.choice([0, 1, -7, 2**53 + 1, -2**63, 2**64 - 1])
    if kind in (3, 4):
        return source.choice(["", "text", "line\nbreak", "quote\"\\", "h\u00e9\u4e2d\U0001f600", "\0"])
    if kind == 5:
        return [random_value(source, depth + 1) for _ in range(source.randrange(4))]
    return {source.choice(["user", "email", "id", "\u00e9"]): random_value(source, depth + 1)
            for _ in range(source.randrange(5))}


class Changes(Case):
    def test_messages_without_options_go_through_byte_for_byte(self):
        upstream = self.upstream()
        daemon = self.republisher(upstream.url("/sub?topic=raw"), "--republish-topic=copy")
        self.await_connected(daemon)
        every = bytes(range(256))
        messages = [b"", b"text", b"line\nbreak\n", every, b'{ "a" : 1.0 }', b"\r"]
        self.publish(upstream, *messages, query="?format=framed&topic=raw")
        self.publish(upstream, b"another topic")
        self.publish(upstream, b"last", query="?format=framed&topic=raw")
        self.assertEqual(self.await_messages(daemon, 7, "copy"), messages + [b"last"])
        self.assertEqual(self.messages(daemon), [])

    def test_fields_are_removed_and_hashed_and_unexpected_messages_dropped(self):
        upstream = self.upstream()
        daemon = self.republisher(
            upstream.url(), "--blacklist-fields=user.email,ip", "--encrypted-fields=user.id",
            "--hash-key-file=" + self.secret("key", KEY), "--expected-key=type",
            "--expected-value-regex=^(view|click)$")
        self.await_connected(daemon)
        self.publish(
            upstream,
            b'{"type":"view","ip":"10.0.0.1","user":{"id":42,"email":"a@b","name":"A"}}',
            b'{"type":"order","ip":"10.0.0.1"}', b"no json", b'["type"]',
            b'{ "type" : "click" }')
        self.assertEqual(self.await_messages(daemon, 2), [
            b'{"type":"view","user":{"id":"%s","name":"A"}}' % keyed_hash("42").encode(),
            b'{ "type" : "click" }'])
        for name, value in (("received_total", 5), ("republished_total", 2), ("changed_total", 1),
                            ('dropped_total{reason="not_json"}', 2),
                            ('dropped_total{reason="unexpected"}', 1), ("gaps_total", 0)):
            self.assertEqual(self.metric(daemon, name), value, name)

    def test_an_expected_value_is_the_whole_text(self):
        upstream = self.upstream()
        daemon = self.republisher(upstream.url(), "--expected-key=n", "--expected-value=4")
        self.await_connected(daemon)
        messages = [b'{"n":4}', b'{"n":"4"}', b'{"n":44}', b'{"n":4.0}', b'{"n":null}', b'{"m":4}',
                    b'{"n":4,"last":true}']
        self.publish(upstream, *messages)
        self.assertEqual(self.await_messages(daemon, 3), [messages[0], messages[1], messages[6]])

    def test_random_messages_become_what_python_makes_of_them(self):
        source = random.Random(20261121)
        upstream = self.upstream()
        daemon = self.republisher(
            upstream.url(), "--blacklist-fields=user.email,\u00e9", "--encrypted-fields=user.id,id",
            "--hash-key-file=" + self.secret("key", KEY))
        self.await_connected(daemon)
        sent, expected = [], []
        while len(sent) < 400:
            value = random_value(source)
            if not isinstance(value, dict):
                continue
            text = json.dumps(value, ensure_ascii=source.random() < 0.5)
            result = copy.deepcopy(value)
            for path in (["user", "email"], ["\u00e9"]):
                result = without(result, path)
            for path in (["user", "id"], ["id"]):
                result = hashed(result, path)
            sent.append(text.encode())
            expected.append(compact(result) if result != value else text)
        self.publish(upstream, *sent)
        got = self.await_messages(daemon, len(sent))
        for before, text, after in zip(sent, expected, got):
            if text.encode() == before:
                self.assertEqual(after, before)
            else:
                self.assertEqual(list(json.loads(after)), list(json.loads(text)))
                self.assertEqual(json.loads(after), json.loads(text), before)


class Following(Case):
    def test_a_source_that_crashes_is_followed_without_loss_or_repeat(self):
        port = free_port()
        options = ("--port=%d" % port, "--data-path=" + self.path("up"))
        upstream = self.start(*options)
        daemon = self.republisher(upstream.url())
        self.await_connected(daemon)
        for round_number in range(3):
            before = b"before %d" % round_number
            self.publish(upstream, before)
            upstream.kill()
            upstream = self.start(*options)
            # Whether or not the republisher is back, nothing may be missed.
            self.publish(upstream, *(b"%d %d" % (round_number, i) for i in range(100)))
        expected = []
        for round_number in range(3):
            expected.append(b"before %d" % round_number)
            expected += [b"%d %d" % (round_number, i) for i in range(100)]
        self.assertEqual(self.await_messages(daemon, len(expected)), expected)
        self.assertGreaterEqual(self.metric(daemon, "reconnects_total"), 1)
        self.assertEqual(self.metric(daemon, "gaps_total"), 0)

    def test_a_source_of_several_topics_is_resumed_by_its_sequence(self):
        port = free_port()
        options = ("--port=%d" % port, "--data-path=" + self.path("up"))
        upstream = self.start(*options)
        daemon = self.republisher(upstream.url("/sub?topic=a,b"))
        self.await_connected(daemon)
        for topic, message in (("a", b"1"), ("b", b"2"), ("c", b"no"), ("a", b"3")):
            self.publish(upstream, message, query="?format=framed&topic=" + topic)
        self.await_messages(daemon, 3)
        upstream.kill()
        upstream = self.start(*options)
        for topic, message in (("c", b"no"), ("b", b"4"), ("a", b"5")):
            self.publish(upstream, message, query="?format=framed&topic=" + topic)
        self.assertEqual(self.await_messages(daemon, 5), [b"1", b"2", b"3", b"4", b"5"])

    def test_the_republisher_goes_on_after_its_own_restart(self):
        upstream = self.upstream()
        options = ("--data-path=" + self.path("down"),)
        daemon = self.republisher(upstream.url(), *options)
        self.await_connected(daemon)
        self.publish(upstream, b"one", b"two")
        self.await_messages(daemon, 2)
        daemon.stop()
        self.publish(upstream, b"three", b"four")
        daemon = self.republisher(upstream.url(), *options)
        self.assertEqual(self.await_messages(daemon, 4), [b"one", b"two", b"three", b"four"])
        self.publish(upstream, b"five")
        self.await_messages(daemon, 5)
        # A crash: what the file did not say yet may come twice, but nothing is missed.
        daemon.kill()
        self.publish(upstream, b"six")
        daemon = self.republisher(upstream.url(), *options)
        wait_until(lambda: self.messages(daemon)[-1] == b"six", 20, "the message after the crash")
        got = self.messages(daemon)
        self.assertEqual(got[:5], [b"one", b"two", b"three", b"four", b"five"])
        self.assertEqual(list(dict.fromkeys(got)), got[:5] + [b"six"])

    def test_an_offset_file_of_its_own_serves_a_republisher_without_a_log(self):
        upstream = self.upstream()
        option = "--source-offset-file=" + self.path("offset")
        daemon = self.republisher(upstream.url("?since=earliest"), option)
        self.await_connected(daemon)
        self.publish(upstream, b"one")
        self.await_messages(daemon, 1)
        daemon.stop()
        self.assertEqual(os.stat(self.path("offset")).st_mode & 0o777, 0o600)
        self.publish(upstream, b"two")
        daemon = self.republisher(upstream.url("?since=earliest"), option)
        self.assertEqual(self.await_messages(daemon, 1), [b"two"])
        daemon.stop()
        with open(self.path("offset"), "w") as file:
            file.write("not ours\n")
        run = run_program("pubsub", "--port=0", "--pubsub-url=" + upstream.url(), option)
        self.assertEqual(run.returncode, 1)
        self.assertIn("must hold positions of sources", run.stderr)

    def test_what_the_source_no_longer_keeps_is_a_gap(self):
        upstream = self.start("--retain-bytes=64KiB")
        option = "--source-offset-file=" + self.path("offset")
        daemon = self.republisher(upstream.url(), option)
        self.await_connected(daemon)
        self.publish(upstream, b"first")
        self.await_messages(daemon, 1)
        daemon.stop()
        self.publish(upstream, *(b"%06d" % i + b"x" * 1000 for i in range(1000)))
        daemon = self.republisher(upstream.url(), option)
        self.await_connected(daemon)
        self.publish(upstream, b"last")
        wait_until(lambda: (self.messages(daemon) or [b""])[-1] == b"last", 20, "the last message")
        got = self.messages(daemon)
        self.assertEqual(self.metric(daemon, "gaps_total"), 1)
        # None is missing but those it was told of: 1000 and the last are missed or here.
        self.assertEqual(self.metric(daemon, "missed_total"), 1001 - len(got))
        self.assertIn("messages were missed", daemon.stderr())

    def test_the_next_url_is_taken_when_the_first_cannot_be_followed(self):
        upstream = self.upstream()
        daemon = self.republisher(["http://127.0.0.1:%d" % free_port(), upstream.url()])
        self.await_connected(daemon)
        self.publish(upstream, b"here")
        self.assertEqual(self.await_messages(daemon, 1), [b"here"])

    def test_a_source_with_a_token(self):
        token = self.secret("token", "open sesame")
        upstream = self.upstream("--auth-token-file=" + token)
        daemon = self.republisher(upstream.url(), "--source-auth-token-file=" + token)
        self.await_connected(daemon)
        answer = post(upstream.url("/pub"), b"hello", {"Authorization": "Bearer open sesame"})
        self.assertEqual(answer.status, 200)
        self.assertEqual(self.await_messages(daemon, 1), [b"hello"])

    def test_a_pubsub_without_positions_is_followed_by_its_lines(self):
        source = ScriptedSource()
        self.addCleanup(source.close)
        daemon = self.republisher(source.url("/sub?topic=old"), "--expected-key=a")
        stream = source.stream(0)
        self.assertEqual(stream.target, "/sub?topic=old&multipart=0&format=framed&offsets=1"
                                        "&heartbeat=20s&since=now")
        stream.send(b'\r\n{"a":1}\n{"b"')
        stream.send(b':2}\n{"_heartbeat_":1763722800}\n{"a":3}\n')
        stream.end()
        stream = source.stream(1)
        stream.send(b'\r\n{"a":4}\n')
        self.assertEqual(self.await_messages(daemon, 3), [b'{"a":1}', b'{"a":3}', b'{"a":4}'])
        self.assertEqual(self.metric(daemon, "received_total"), 4)


class Options(Case):
    def test_what_is_wrong_with_the_options_is_said_in_one_line(self):
        url = "--pubsub-url=http://127.0.0.1:1"
        with open(self.path("open"), "w") as file:
            file.write("0123456789abcdef\n")
        os.chmod(self.path("open"), 0o644)
        for args, status, said in (
                (["--pubsub-url=h:80"], 2, "must be http://HOST"),
                ([url + "/sub?multipart=1"], 2, "multipart=0"),
                ([url + "/sub?until=now"], 2, "until="),
                (["--expected-key=a"], 2, "must come with --pubsub-url"),
                ([url, "--expected-value=a"], 2, "must come with --expected-key"),
                ([url, "--expected-key=a", "--expected-value-regex=("], 2, "regular expression"),
                ([url, "--blacklist-fields=a,,b"], 2, "commas between"),
                ([url, "--encrypted-fields=a"], 2, "must come with --hash-key-file"),
                ([url, "--republish-topic=a b"], 2, "must be 1 to 64"),
                ([url, "--encrypted-fields=a", "--hash-key-file=" + self.path("none")], 1,
                 "No such file"),
                ([url, "--encrypted-fields=a", "--hash-key-file=" + self.path("open")], 1,
                 "must not be readable by others"),
                ([url, "--encrypted-fields=a", "--hash-key-file=" + self.secret("short", "abc")], 1,
                 "must be at least 16")):
            with self.subTest(args=args):
                run = run_program("pubsub", "--port=0", *args)
                self.assertEqual(run.returncode, status, run.stderr)
                self.assertIn(said, run.stderr)
                self.assertNotIn("0123456789abcdef", run.stderr)


class Filters(Case):
    def test_a_filter_keeps_what_python_re_keeps(self):
        source = random.Random(7)
        upstream = self.upstream()
        values = [source.choice(["Paris", "paris", "Lyon", "Par", "", "New Paris", 7, 75, None, True])
                  for _ in range(300)]
        self.publish(upstream, *(compact({"geo": {"city": value}, "n": n}).encode()
                                 for n, value in enumerate(values)), b"no json", b"[]")
        for pattern in ("^Par", "aris$", "(?i)^PARIS$", "^7", "true", "", "[0-9]{2}"):
            with self.subTest(pattern=pattern):
                answer = get(upstream.url("/sub?format=framed&since=earliest&until=now"
                                          "&filter_subject=geo.city&filter_pattern=" +
                                          pattern.replace("?", "%3F")))
                self.assertEqual(answer.status, 200, answer.body)
                kept = [json.loads(message)["n"] for message in unframed(answer.body)]
                texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
                self.assertEqual(kept, [
                    n for n, text in enumerate(texts)
                    if values[n] is not None and re.search(pattern, text)])

    def test_a_republisher_may_follow_a_filtered_stream(self):
        upstream = self.upstream()
        daemon = self.republisher(upstream.url("?filter_subject=a&filter_pattern=^x"))
        self.await_connected(daemon)
        self.publish(upstream, b'{"a":"x1"}', b'{"a":"y"}', b'{"a":"x2"}')
        self.assertEqual(self.await_messages(daemon, 2), [b'{"a":"x1"}', b'{"a":"x2"}'])

    def test_a_wrong_filter_is_refused(self):
        upstream = self.upstream()
        for query, said in (("filter_subject=a&filter_pattern=(", "filter_pattern"),
                            ("filter_pattern=a", "filter_subject"),
                            ("filter_subject=" + "a" * 257 + "&filter_pattern=a", "at most 256")):
            with self.subTest(query=query):
                answer = get(upstream.url("/sub?" + query))
                self.assertEqual(answer.status, 400, answer.body)
                self.assertIn(said, answer.text)


if __name__ == "__main__":
    unittest.main()
