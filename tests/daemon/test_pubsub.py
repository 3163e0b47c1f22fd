"""pubsub over real HTTP. Exact bytes are those the original was recorded to send."""

import signal
import unittest

from harness import Connection, Daemon, get, post, request, wait_until
from pubsub_streams import LINES_HEAD, PARTS_HEAD, PubsubTest, Subscriber, part

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class PublishTest(PubsubTest):
    def test_a_publisher_is_told_how_many_messages_went_to_how_many_clients(self):
        self.assertEqual(self.publish(b"hello"), "Published 1 messages to 0 clients.\n")
        with Subscriber(self.port), Subscriber(self.port, "", PARTS_HEAD):
            self.assertEqual(self.publish(b"a\nb"), "Published 2 messages to 2 clients.\n")

    def test_each_line_is_a_message(self):
        for body, count, stream in (
                (b"hello", 1, b"hello\n"), (b"a\nb", 2, b"a\nb\n"), (b"a\n", 1, b"a\n"),
                (b"x\0y\xff", 1, b"x\0y\xff\n"), (b"a\r\nb", 2, b"a\r\nb\n"), (b"\n", 1, b"\n"),
                (b"a\n\nb\n", 3, b"a\n\nb\n")):
            with self.subTest(body=body), Subscriber(self.port) as reader:
                self.assertEqual(self.publish(body), "Published %d messages to 1 clients.\n" % count)
                self.assertEqual(reader.read_chunk(), stream)
            wait_until(lambda: self.stats()["current_connections"] == 0)

    def test_an_empty_body_publishes_nothing(self):
        self.assertEqual(self.publish(b""), "Published 0 messages to 0 clients.\n")
        self.assertEqual(self.stats()["messages_received"], 0)

    def test_data_is_one_message(self):
        with Subscriber(self.port) as reader:
            answer = get(self.daemon.url("/pub?data=a%0Ab+c"))
            self.assertEqual(answer.text, "Published 1 messages to 1 clients.\n")
            self.assertEqual(reader.read_chunk(), b"a\nb c\n")

    def test_a_get_without_data_is_refused(self):
        answer = get(self.daemon.url("/pub"))
        self.assertEqual((answer.status, answer.body), (400, b"missing data\n"))
        self.assertEqual(self.stats()["messages_received"], 0)

    def test_whole_makes_the_body_one_message(self):
        with Subscriber(self.port, "", PARTS_HEAD) as reader:
            self.assertEqual(self.publish(b"a\nb\n", "?whole=1"),
                             "Published 1 messages to 1 clients.\n")
            self.assertEqual(reader.read_chunk(), part(b"a\nb\n"))

    def test_a_framed_body_holds_any_messages(self):
        with Subscriber(self.port, "", PARTS_HEAD) as reader:
            self.assertEqual(self.publish(b"3\na\nb\n0\n\n2\n\0\n\n", "?format=framed"),
                             "Published 3 messages to 1 clients.\n")
            expected = part(b"a\nb") + part(b"") + part(b"\0\n")
            self.assertEqual(reader.read_bytes(len(expected)), expected)

    def test_a_malformed_framed_body_publishes_nothing(self):
        with Subscriber(self.port) as reader:
            for body in (b"1\na\n5\nhell", b"x\n", b"1\nab\n", b"1\na"):
                answer = post(self.daemon.url("/pub?format=framed"), body)
                self.assertEqual(answer.status, 400, body)
                self.assertIn("format=framed: at byte", answer.text)
            self.publish(b"after")
            self.assertEqual(reader.read_chunk(), b"after\n")
        self.assertEqual(self.stats()["messages_received"], 1)

    def test_wrong_parameters_are_named(self):
        for query, name in (("format=xml", "format"), ("whole=2", "whole"),
                            ("whole=1&format=framed", "whole"), ("topic=a,b", "topic"),
                            ("topic=", "topic"), ("topic=" + "a" * 65, "topic")):
            answer = post(self.daemon.url("/pub?" + query), b"m")
            self.assertEqual(answer.status, 400, query)
            self.assertIn(name, answer.text)
        self.assertEqual(self.stats()["messages_received"], 0)

    def test_other_methods_are_refused(self):
        for method in ("HEAD", "DELETE", "PATCH"):
            answer = request(method, self.daemon.url("/pub?data=m"))
            self.assertEqual(answer.status, 405)
            self.assertEqual(answer.header("Allow"), "GET, POST, PUT, OPTIONS")
        self.assertEqual(self.stats()["messages_received"], 0)

    def test_many_publishes_of_a_turn_come_in_order(self):
        with Subscriber(self.port) as reader, Connection(self.port) as publisher:
            publisher.send(b"".join(b"POST /pub HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%04d" % i
                                    for i in range(1000)))
            for _ in range(1000):
                self.assertEqual(publisher.read_response().status, 200)
            self.assertEqual(reader.read_bytes(5000), b"".join(b"%04d\n" % i for i in range(1000)))


class SubscribeTest(PubsubTest):
    def test_lines_are_typed_and_chunked(self):
        with Subscriber(self.port) as reader:
            self.assertEqual(reader.head.header("content-type"), "application/json")
            self.assertEqual(reader.head.header("Transfer-Encoding"), "chunked")
            self.assertIsNone(reader.head.header("Content-Length"))

    def test_multipart_is_the_default(self):
        with Subscriber(self.port, "", PARTS_HEAD) as reader:
            self.assertEqual(reader.head.header("content-type"),
                             "multipart/x-mixed-replace; boundary=xXPubSubXx")
            self.publish(b"hello")
            self.assertEqual(reader.read_chunk(), part(b"hello"))

    def test_multipart_is_read_as_the_original_reads_it(self):
        for value, first in (("0", LINES_HEAD), ("1", PARTS_HEAD), ("2", PARTS_HEAD),
                             ("-1", PARTS_HEAD), ("01", PARTS_HEAD), ("2x", PARTS_HEAD),
                             ("abc", LINES_HEAD), ("", LINES_HEAD), ("00", LINES_HEAD),
                             ("+3", PARTS_HEAD)):
            value = value.replace("+", "%2B")
            with self.subTest(value=value):
                Subscriber(self.port, "?multipart=" + value, first).close()

    def test_http_1_0_gets_the_bytes_without_chunks(self):
        with Connection(self.port) as reader:
            reader.send(b"GET /sub?multipart=0 HTTP/1.0\r\nHost: h\r\n\r\n")
            head = reader.read_head()
            self.assertEqual(head.status, 200)
            self.assertIsNone(head.header("Transfer-Encoding"))
            self.assertEqual(reader.read_exactly(2), b"\r\n")
            self.publish(b"hello")
            self.assertEqual(reader.read_exactly(6), b"hello\n")
            self.daemon.signal(signal.SIGTERM)
            self.assertEqual(reader.read_to_close(), b"")
        self.assertEqual(self.daemon.wait(), 0)
        self.assertEqual(self.daemon.wait(), 0)

    def test_head_answers_the_head_and_does_not_subscribe(self):
        with Connection(self.port) as client:
            answer = client.request("HEAD", "/sub?multipart=0")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.header("content-type"), "application/json")
            self.assertEqual(client.request("GET", "/clients").body, b"no /sub connections\n")

    def test_topics_are_apart(self):
        with Subscriber(self.port, "?multipart=0&topic=a") as a, \
                Subscriber(self.port, "?multipart=0&topic=b") as b, \
                Subscriber(self.port) as default:
            self.assertEqual(self.publish(b"for a", "?topic=a"), "Published 1 messages to 1 clients.\n")
            self.publish(b"for b", "?topic=b")
            self.publish(b"for default")
            self.assertEqual(a.read_chunk(), b"for a\n")
            self.assertEqual(b.read_chunk(), b"for b\n")
            self.assertEqual(default.read_chunk(), b"for default\n")
            self.publish(b"named", "?topic=default")
            self.assertEqual(default.read_chunk(), b"named\n")

    def test_wrong_parameters_are_named_with_their_value_and_what_would_be_right(self):
        for query, words in (
                ("topic=a,,b", ["topic"]), ("topic=%2F", ["topic"]), ("topic=a*b", ["topic"]),
                ("format=xml", ["format=xml", "lines, multipart, sse or framed"]),
                ("offsets=1", ["offsets=1", "format=lines"]),
                ("since=5q", ["since=5q", "earliest", "5m"]), ("since=-1", ["since=-1"]),
                ("since=99999999999999999999", ["since=99999999999999999999"]),
                ("until=soon", ["until=soon", "now"]), ("since=9&until=8", ["until=8", "since=9"]),
                ("heartbeat=never", ["heartbeat=never", "30s"]), ("heartbeat=1ns", ["heartbeat=1ns"]),
                ("slow=maybe", ["slow=maybe", "kick or skip"]),
                ("filter_subject=a", ["filter_subject", "filter_pattern"]),
                ("filter_subject=a&filter_pattern=(", ["filter_pattern"]),
                ("last_event_id=x", ["last_event_id=x"]),
                ("client=a%20b", ["client=a b"]), ("client=" + "a" * 7000, ["client=aaa"])):
            with self.subTest(query=query[:60]):
                self.refused("/sub?" + query, 400, *words)
                self.assertEqual(request("HEAD", self.daemon.url("/sub?" + query)).status, 400)
        self.assertEqual(get(self.daemon.url("/clients")).text, "no /sub connections\n")
        self.assertEqual(get(self.daemon.url("/topics")).json(), [])

    def test_a_subscriber_that_closes_is_noticed_at_once(self):
        reader = Subscriber(self.port)
        self.assertEqual(self.stats()["current_connections"], 1)
        reader.close()
        wait_until(lambda: self.stats()["current_connections"] == 0)

    def test_a_subscriber_that_half_closes_is_ended(self):
        with Subscriber(self.port) as reader:
            reader.half_close()
            self.assertTrue(reader.closed(20))
        wait_until(lambda: self.stats()["current_connections"] == 0)

    def test_a_drain_ends_streams_with_the_last_chunk(self):
        with Subscriber(self.port) as reader:
            self.publish(b"last")
            self.daemon.signal(signal.SIGTERM)
            self.assertEqual(reader.read_to_end(), b"last\n")
        self.assertEqual(self.daemon.wait(), 0)

    def test_a_large_message_comes_whole(self):
        message = bytes(range(256)) * 40_000
        with Subscriber(self.port, "", PARTS_HEAD) as reader:
            self.publish(message, "?whole=1")
            expected = part(message)
            self.assertEqual(reader.read_bytes(len(expected)), expected)


class StatsTest(PubsubTest):
    def test_stats_are_five_lines_and_five_headers(self):
        answer = get(self.daemon.url("/stats"))
        self.assertEqual(answer.body, b"Active connections: 0\nTotal connections: 0\n"
                                      b"Messages received: 0\nMessages sent: 0\nKicked clients: 0\n")
        for name in ("TOTAL-CONNECTIONS", "ACTIVE-CONNECTIONS", "MESSAGES-RECEIVED",
                     "MESSAGES-SENT", "KICKED-CLIENTS"):
            self.assertEqual(answer.header("X-PUBSUB-" + name), "0")

    def test_stats_count_messages_once_a_subscriber(self):
        self.publish(b"unheard")
        with Subscriber(self.port) as a, Subscriber(self.port) as b:
            self.publish(b"x\ny\n")
            a.read_bytes(4)
            b.read_bytes(4)
            answer = get(self.daemon.url("/stats"))
            self.assertEqual(answer.body, b"Active connections: 2\nTotal connections: 2\n"
                                          b"Messages received: 3\nMessages sent: 4\nKicked clients: 0\n")
            self.assertEqual(answer.header("X-PUBSUB-MESSAGES-SENT"), "4")

    def test_json_begins_with_the_original_five(self):
        answer = get(self.daemon.url("/stats?format=json"))
        self.assertEqual(list(answer.json())[:5], [
            "current_connections", "total_connections", "messages_received", "messages_sent",
            "kicked_clients"])
        self.assertTrue(answer.text.startswith('{"current_connections": 0,'))
        self.assertEqual(answer.json()["kicked_by_reason"],
                         {"too_slow": 0, "fell_off": 0, "unreadable": 0})

    def test_reset_answers_then_zeroes_received_and_sent(self):
        with Subscriber(self.port) as reader:
            self.publish(b"m")
            reader.read_chunk()
            self.assertEqual(request("HEAD", self.daemon.url("/stats?reset=1")).status, 200)
            before = get(self.daemon.url("/stats?reset=1&format=json")).json()
            after = self.stats()
        self.assertEqual((before["messages_received"], before["messages_sent"]), (1, 1))
        self.assertEqual((after["messages_received"], after["messages_sent"]), (0, 0))
        self.assertEqual((after["current_connections"], after["total_connections"]), (1, 1))
        metrics = get(self.daemon.url("/metrics")).text
        self.assertIn("\nrivulet_pubsub_messages_received_total 1\n", metrics)

    def test_clients_are_listed_in_the_order_they_came(self):
        self.assertEqual(get(self.daemon.url("/clients")).text, "no /sub connections\n")
        with Subscriber(self.port), Subscriber(self.port, "?multipart=0&topic=t&client=me"):
            lines = get(self.daemon.url("/clients?x=1")).text.splitlines()
            shape = (r"127\.0\.0\.1:\d+ connected at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\. "
                     r"output buffer size:0 state:7 topic:%s lag:0 lag_bytes:0 framing:lines%s$")
            self.assertEqual(len(lines), 2)
            self.assertRegex(lines[0], shape % ("default", ""))
            self.assertRegex(lines[1], shape % ("t", " client:me"))

    def test_topics_tell_their_offsets(self):
        self.assertEqual(get(self.daemon.url("/topics")).json(), [])
        self.publish(b"1\n2\n3\n", "?topic=t")
        topic, = get(self.daemon.url("/topics")).json()
        self.assertEqual((topic["name"], topic["next_offset"], topic["subscribers"],
                          topic["retained_bytes"], topic["published_bytes"]), ("t", 3, 0, 0, 3))

    def test_metrics_tell_each_topic(self):
        self.publish(b"1\n2\n", "?topic=t")
        metrics = get(self.daemon.url("/metrics")).text
        self.assertIn('rivulet_pubsub_topic_messages_total{topic="t"} 2\n', metrics)
        self.assertIn('rivulet_pubsub_kicked_clients_total{reason="too_slow"} 0\n', metrics)


class LimitsTest(unittest.TestCase):
    def test_topics_are_bounded(self):
        with Daemon("pubsub", "--max-topics=2") as daemon:
            for topic in "ab":
                self.assertEqual(post(daemon.url("/pub?topic=" + topic), b"m").status, 200)
            answer = post(daemon.url("/pub?topic=c"), b"m")
            self.assertEqual(answer.status, 503)
            self.assertIn("--max-topics", answer.text)
            self.assertIsNotNone(answer.header("Retry-After"))
            self.assertEqual(post(daemon.url("/pub?topic=a"), b"m").status, 200)

    def test_a_topic_that_was_only_listened_to_makes_room(self):
        with Daemon("pubsub", "--max-topics=1") as daemon:
            with Subscriber(daemon.port, "?multipart=0&topic=a"):
                self.assertEqual(get(daemon.url("/sub?topic=b")).status, 503)
            wait_until(lambda: post(daemon.url("/pub?topic=b"), b"m").status == 200)


if __name__ == "__main__":
    unittest.main()
