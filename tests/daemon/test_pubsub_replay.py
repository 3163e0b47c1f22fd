"""since=, until= and Last-Event-ID of pubsub, with the past in memory: from the past to what comes
now, none missed, none repeated (P6)."""

import threading
import unittest

from harness import Connection, Daemon, get, post, request, wait_until
from pubsub_streams import LINES_HEAD, PARTS_HEAD, SSE_HEAD, PubsubTest, Subscriber, part

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class PastTest(PubsubTest):
    OPTIONS = ("--retain-bytes=1MiB",)

    def test_the_past_is_read_in_every_framing_and_ends_at_until(self):
        self.publish(b"one\ntwo\nthree\n")
        for query, head, messages, content_type in (
                ("multipart=0", LINES_HEAD, b"one\ntwo\nthree\n", "application/json"),
                ("format=lines", LINES_HEAD, b"one\ntwo\nthree\n", "application/json"),
                ("format=lines&offsets=1", b"", b"0 one\n1 two\n2 three\n",
                 "text/plain; charset=utf-8"),
                ("format=framed", b"", b"3\none\n3\ntwo\n5\nthree\n",
                 "application/vnd.rivulet.framed"),
                ("format=framed&offsets=1", b"", b"0 3\none\n1 3\ntwo\n2 5\nthree\n",
                 "application/vnd.rivulet.framed; offsets=1"),
                ("", PARTS_HEAD, part(b"one") + part(b"two") + part(b"three"),
                 "multipart/x-mixed-replace; boundary=xXPubSubXx")):
            with self.subTest(query=query):
                answer = self.past("?since=earliest&until=now&" + query)
                self.assertEqual(answer.header("Content-Type"), content_type)
                self.assertEqual(answer.header("X-Offset"), "0")
                self.assertIsNone(answer.header("X-Gap"))
                self.assertEqual(answer.body, head + messages)

    def test_events_have_their_offset_as_id_and_each_line_its_own_field(self):
        self.publish(b"a\nb\r\nc\rd", "?whole=1")
        self.publish(b"\n")
        answer = self.past("?since=earliest&until=now&format=sse")
        self.assertEqual(answer.header("Content-Type"), "text/event-stream")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        events = (b"id: 0\ndata: a\ndata: b\ndata: c\ndata: d\n\n" b"id: 1\ndata:\n\n")
        self.assertTrue(answer.body.startswith(SSE_HEAD + events), answer.body)
        # What follows is no event: comments begin with a colon.
        for line in answer.body[len(SSE_HEAD + events):].split(b"\n"):
            self.assertTrue(not line or line.startswith(b":"), answer.body)

    def test_since_is_a_position_and_until_the_first_that_is_not_sent(self):
        self.publish(b"".join(b"%d\n" % i for i in range(10)))
        for query, numbers in (("since=0&until=3", range(3)), ("since=4&until=now", range(4, 10)),
                               ("since=9&until=10", [9]), ("since=10&until=now", []),
                               ("since=3&until=3", []), ("since=now&until=now", []),
                               ("last_event_id=4&until=8", range(5, 8)),
                               ("since=0&last_event_id=7&until=now", range(8, 10)),
                               ("since=1h&until=now", range(10)), ("until=now", [])):
            with self.subTest(query=query):
                self.assertEqual(self.past("?format=framed&" + query).body,
                                 b"".join(b"1\n%d\n" % i for i in numbers))

    def test_an_until_that_is_yet_to_come_ends_the_answer_when_it_comes(self):
        self.publish(b"0\n1\n")
        with Subscriber(self.port, "?format=lines&since=1&until=4") as reader:
            reader.expect(self, b"1\n")
            self.publish(b"2\n")
            reader.expect(self, b"2\n")
            self.publish(b"3\n4\n5\n")
            self.assertEqual(reader.read_to_end(), b"3\n")
        wait_until(lambda: self.stats()["current_connections"] == 0)

    def test_from_the_past_to_now_none_is_missed_and_none_repeated(self):
        count = 3000
        stop = threading.Event()

        def publish():
            with Connection(self.port) as publisher:
                for i in range(0, count, 10):
                    body = b"".join(b"%d\n" % j for j in range(i, i + 10))
                    publisher.request("POST", "/pub", body)
            stop.set()

        publishing = threading.Thread(target=publish)
        publishing.start()
        readers = []
        while not stop.is_set() and len(readers) < 50:
            readers.append(Subscriber(self.port, "?format=lines&since=earliest&until=%d" % count))
        publishing.join(60)
        expected = b"".join(b"%d\n" % i for i in range(count))
        for reader in readers:
            self.assertEqual(reader.read_to_end(), expected)
            reader.close()

    def test_an_event_source_that_comes_back_goes_on_after_its_last_event(self):
        self.publish(b"0\n1\n2\n")
        with Subscriber(self.port, "?since=earliest", SSE_HEAD,
                        headers=[("Accept", "text/event-stream"), ("Last-Event-ID", "1")]) as reader:
            self.assertEqual(reader.head.header("X-Offset"), "2")
            reader.expect(self, b"id: 2\ndata: 2\n\n")
            self.publish(b"3\n")
            reader.expect(self, b"id: 3\ndata: 3\n\n")

    def test_an_event_source_that_has_read_all_there_is_to_read_is_told_to_stop(self):
        self.publish(b"0\n1\n2\n")
        for query in ("format=sse&until=3", "format=sse&until=now"):
            answer = get(self.daemon.url("/sub?" + query), {"Last-Event-ID": "2"})
            self.assertEqual((answer.status, answer.body), (204, b""))
        wait_until(lambda: self.stats()["current_connections"] == 0)
        self.assertEqual(self.stats()["feeds"], 0)

    def test_a_topic_that_began_anew_is_told(self):
        self.publish(b"0\n1\n")
        answer = self.past("?format=lines&since=17&until=now")
        self.assertEqual(answer.header("X-Gap"), "missed=unknown next=0")
        self.assertEqual(answer.header("X-Offset"), "0")
        self.assertEqual(answer.body, LINES_HEAD + b"0\n1\n")
        with Subscriber(self.port, "?format=sse&since=17", SSE_HEAD) as reader:
            reader.expect(self, b'event: gap\ndata: {"missed":null,"next":0}\n\nid: 0\ndata: 0\n\n')
        self.assertEqual(self.stats()["gaps"], 2)

    def test_nothing_is_subscribed_by_a_head(self):
        self.publish(b"0\n")
        answer = request("HEAD", self.daemon.url("/sub?since=earliest&format=sse"))
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.header("Content-Type"), "text/event-stream")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        self.assertEqual(self.stats()["total_connections"], 0)

    def test_a_large_message_of_the_past_comes_whole(self):
        message = bytes(range(256)) * 2000
        self.publish(message, "?whole=1")
        self.publish(b"after")
        self.assertEqual(self.past("?format=framed&since=earliest&until=now").body,
                         b"%d\n%s\n5\nafter\n" % (len(message), message))


class TopicsTest(PubsubTest):
    OPTIONS = ("--retain-bytes=1MiB",)

    def test_several_topics_are_read_in_the_order_of_publishing(self):
        for i in range(6):
            self.publish(b"%d" % i, "?topic=" + "abc"[i % 3])
        self.assertEqual(self.past("?topic=c,a&format=framed&offsets=1&since=earliest&until=now").body,
                         b"0 a 0 1\n0\n2 c 0 1\n2\n3 a 1 1\n3\n5 c 1 1\n5\n")
        # Positions count over all topics: what `id:` says is what since= takes.
        self.assertEqual(self.past("?topic=*&format=lines&offsets=1&since=4&until=now").body,
                         b"4 b 1 4\n5 c 1 5\n")
        self.assertEqual(self.past("?topic=*&format=lines&offsets=1&until=5&last_event_id=3+a+1").body,
                         b"4 b 1 4\n")

    def test_a_pattern_takes_in_topics_as_they_come_to_be(self):
        self.publish(b"old", "?topic=clicks.a")
        with Subscriber(self.port, "?topic=clicks.*,x&format=lines&since=earliest") as reader:
            reader.expect(self, b"old\n")
            for topic in ("clicks.b", "other", "clicks", "x", "clicks.a"):
                self.publish(topic.encode(), "?topic=" + topic)
            reader.expect(self, b"clicks.b\nx\nclicks.a\n")
            line = get(self.daemon.url("/clients")).text
            self.assertIn(" topic:clicks.*,x lag:0 ", line)
        names = [topic["name"] for topic in get(self.daemon.url("/topics")).json()]
        self.assertEqual(names, ["clicks", "clicks.a", "clicks.b", "other", "x"])

    def test_a_publisher_is_told_of_all_who_hear_its_topic(self):
        with Subscriber(self.port, "?topic=*&multipart=0"), \
                Subscriber(self.port, "?topic=a,b&multipart=0"), \
                Subscriber(self.port, "?topic=b&multipart=0"):
            self.assertEqual(self.publish(b"m", "?topic=a"), "Published 1 messages to 2 clients.\n")
            self.assertEqual(self.publish(b"m", "?topic=b"), "Published 1 messages to 3 clients.\n")
            self.assertEqual(self.publish(b"m", "?topic=c"), "Published 1 messages to 1 clients.\n")

    def test_a_filter_keeps_what_matches_of_the_past_and_of_what_comes(self):
        filtered = "&filter_subject=geo.city&filter_pattern=%5EB"
        self.publish(b'{"geo":{"city":"Berlin"}}\n{"geo":{"city":"Rome"}}\nno JSON\n{"geo":{}}\n')
        with Subscriber(self.port, "?format=lines&offsets=1&since=earliest" + filtered, b"") as reader:
            reader.expect(self, b'0 {"geo":{"city":"Berlin"}}\n')
            self.publish(b'{"geo":{"city":"Bonn"}}\n{"geo":{"city":"aB"}}\n')
            self.publish(b'{"geo":{"city":"Brno"}}\n')
            reader.expect(self, b'4 {"geo":{"city":"Bonn"}}\n6 {"geo":{"city":"Brno"}}\n')
            self.assertEqual(self.stats()["filters"], 1)
            self.assertIsNotNone(get(self.daemon.url("/clients?format=json")).json()[0]["filter"])
            with Subscriber(self.port, "?multipart=0" + filtered):
                self.assertEqual(self.stats()["filters"], 1)
                self.assertEqual(self.stats()["feeds"], 1)
        wait_until(lambda: self.stats()["filters"] == 0)


class EndOfSeveralTopicsTest(PubsubTest):
    OPTIONS = ("--retain-bytes=1MiB",)

    def test_an_until_is_reached_by_a_message_of_any_topic(self):
        post(self.daemon.url("/pub?topic=a"), b"1\n2")
        with Subscriber(self.daemon.port, "?topic=a,b&format=lines&since=earliest&until=4") as live:
            live.expect(self, b"1\n2\n")
            post(self.daemon.url("/pub?topic=c"), b"3\n4\n5")
            self.assertEqual(live.read_to_end(), b"")


class RetentionTest(unittest.TestCase):
    def test_without_retention_nothing_is_kept(self):
        with Daemon("pubsub") as daemon:
            post(daemon.url("/pub"), b"0\n1\n2\n")
            topic = get(daemon.url("/topics")).json()[0]
            self.assertEqual((topic["first_offset"], topic["next_offset"], topic["retained_bytes"],
                              topic["retains"]), (3, 3, 0, False))
            answer = get(daemon.url("/sub?since=1&until=now&format=lines"))
            self.assertEqual(answer.header("X-Gap"), "missed=2 next=3")
            self.assertEqual(answer.body, LINES_HEAD)

    def test_what_was_let_go_is_told_with_its_number(self):
        with Daemon("pubsub", "--retain-bytes=64KiB") as daemon:
            for i in range(0, 3000, 100):
                body = b"".join(b"%0100d\n" % j for j in range(i, i + 100))
                self.assertEqual(post(daemon.url("/pub"), body).status, 200)
            topic = get(daemon.url("/topics")).json()[0]
            first = topic["first_offset"]
            self.assertEqual(topic["next_offset"], 3000)
            self.assertGreaterEqual(topic["retained_bytes"], 64 * 1024)
            self.assertLess(topic["retained_bytes"], 2 * 64 * 1024)
            self.assertEqual(topic["retained_bytes"], (3000 - first) * 100)
            answer = get(daemon.url("/sub?since=5&until=now&format=framed"))
            self.assertEqual(answer.header("X-Gap"), "missed=%d next=%d" % (first - 5, first))
            self.assertEqual(answer.header("X-Offset"), str(first))
            self.assertEqual(answer.body, b"".join(
                b"100\n%0100d\n" % i for i in range(first, 3000)))

    def test_what_is_too_old_goes_within_some_seconds(self):
        with Daemon("pubsub", "--retain-time=1s") as daemon:
            post(daemon.url("/pub"), b"0\n1\n")
            wait_until(lambda: get(daemon.url("/topics")).json()[0]["first_offset"] == 2)
            self.assertEqual(daemon.stats()["retained_bytes"], 0)

    def test_hostile_selections_and_many_topics_are_bounded(self):
        with Daemon("pubsub", "--max-topics=500") as daemon:
            names = ",".join("t%d" % i for i in range(64))
            with Subscriber(daemon.port, "?multipart=0&topic=" + names):
                self.assertEqual(len(get(daemon.url("/topics")).json()), 64)
                answer = get(daemon.url("/sub?topic=%s,t64" % names))
                self.assertEqual(answer.status, 400)
                self.assertIn("64", answer.text)
                with Connection(daemon.port) as publisher:
                    statuses = [publisher.request("POST", "/pub?topic=n%d" % i, b"m").status
                                for i in range(600)]
                self.assertEqual(statuses, [200] * 436 + [503] * 164)
                self.assertEqual(get(daemon.url("/sub?topic=more")).status, 503)
            wait_until(lambda: daemon.stats()["feeds"] == 0)


if __name__ == "__main__":
    unittest.main()
