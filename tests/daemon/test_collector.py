"""collector: events in, messages out; who may send, what is marked, and what is refused."""

import json
import struct
import unittest
import urllib.parse

from collector_case import AGENT, CollectorCase, event
from harness import Connection, get, request, run_program

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Events(CollectorCase):
    def test_a_get_is_answered_with_a_transparent_pixel_and_its_page_is_the_referer(self):
        collector = self.start("--allow-origin=https://shop.example")
        answer = get(collector.url("/event?t=mail_opened&i=m1&d=" + urllib.parse.quote('{"item":"7"}')),
                     {"Referer": "https://shop.example/mail", "User-Agent": AGENT})
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.header("Content-Type"), "image/gif")
        self.assertEqual(answer.header("Cache-Control"), "no-store")
        # GIF89a: signature, width and height, a colour table; an extension that says "transparent"; the end.
        self.assertEqual(answer.body[:6], b"GIF89a")
        self.assertEqual(struct.unpack("<HH", answer.body[6:10]), (1, 1))
        self.assertEqual(answer.body[19:23], b"\x21\xf9\x04\x01")
        self.assertEqual((answer.body[-1:], len(answer.body)), (b";", 43))
        message, = self.await_messages(1)
        self.assertEqual((message["type"], message["id"], message["item"], message["url"]),
                         ("mail_opened", "m1", "7", "https://shop.example/mail"))
        # HEAD looks and changes nothing.
        self.assertEqual(request("HEAD", collector.url("/event?t=mail_opened")).status, 200)
        self.assertEqual(self.stats(collector)["events"], 1)

    def test_a_post_holds_one_event_or_many_and_they_arrive_in_order(self):
        collector = self.start(path="/mput")
        answer = self.send(collector, event(0, l="https://shop.example/#/?source=top_pick"))
        self.assertEqual((answer.status, answer.body), (204, b""))
        answer = self.send(collector, [event(i) for i in range(1, 100)], json_answer=True)
        self.assertEqual((answer.status, answer.json()), (200, {"taken": 99, "refused": []}))
        messages = self.await_messages(100)
        self.assertEqual([m["id"] for m in messages], ["e%06d" % i for i in range(100)])
        self.assertEqual(messages[0]["url"], "https://shop.example/#/?source=top_pick")
        with self.sink.lock:
            self.assertLess(len(self.sink.requests), 20)  # /mput gets batches

    def test_of_a_batch_the_good_events_are_taken_and_the_others_named(self):
        collector = self.start()
        answer = self.send(collector, [event(1), event(2, t="a b"), 7, event(3)], json_answer=True)
        self.assertEqual(answer.status, 200)
        found = answer.json()
        self.assertEqual((found["taken"], [r["index"] for r in found["refused"]]), (2, [1, 2]))
        self.assertIn("a b", found["refused"][0]["error"])
        self.assertEqual([m["id"] for m in self.await_messages(2)], ["e000001", "e000003"])
        for body, status in ((b"[]", 400), (b"{", 400), (b'{"t":""}', 400), (b"\xff", 400), (b"7", 400),
                             (json.dumps([event(i) for i in range(101)]).encode(), 413),
                             (b" " * (1 << 20) + b"1", 413)):
            answer = request("POST", collector.url("/event"), body, {"User-Agent": AGENT})
            self.assertEqual(answer.status, status, body[:20])
            self.assertTrue(answer.body.strip())
        self.assertEqual(get(collector.url("/event")).status, 400)
        # The body that was too long was not read at all.
        self.assertEqual((self.stats(collector)["events"], self.stats(collector)["events_refused"]), (2, 9))

    def test_a_page_of_another_origin_may_send_when_it_is_allowed(self):
        collector = self.start("--allow-origin=https://shop.example")
        same = "http://127.0.0.1:%d" % collector.port
        for origin, status in (("https://shop.example", 204), (same.replace("127.0.0.1", "localhost"), 403),
                               (same, 204), ("https://evil.example", 403), ("null", 403)):
            self.assertEqual(self.send(collector, event(), {"Origin": origin}).status, status, origin)
        asked = request("OPTIONS", collector.url("/event"), None, {
            "Origin": "https://shop.example", "Access-Control-Request-Method": "POST"})
        self.assertEqual((asked.status, asked.header("Access-Control-Allow-Origin")),
                         (204, "https://shop.example"))
        self.assertEqual(self.stats(collector)["origins_refused"], 3)
        self.assertEqual(len(self.await_messages(2)), 2)
        # The GET of a picture has no Origin: its page is in the Referer.
        for referer, status in (("https://shop.example/a?b", 200), (same + "/page", 200), (None, 200),
                                ("https://evil.example/https://shop.example", 403),
                                ("https://shop.example.evil.example/", 403)):
            answer = get(collector.url("/event?t=a"), {"Referer": referer} if referer else {})
            self.assertEqual(answer.status, status, referer)
        self.assertEqual(self.stats(collector)["origins_refused"], 5)

    def test_who_asks_not_to_be_tracked_is_answered_and_forgotten_where_that_is_honoured(self):
        for args, kept in ((["--honour-dnt"], 1), ([], 3)):
            collector = self.start(*args)
            for headers in ({"DNT": "1"}, {"Sec-GPC": "1"}, {"DNT": "0"}):
                self.assertEqual(self.send(collector, event(1), headers).status, 204)
            # Their ids are not remembered either: the third is no repeat where nothing was kept.
            messages = self.await_messages(kept)
            self.assertEqual([m.get("duplicate") for m in messages], [False, True, True][:kept])
            self.assertEqual(self.stats(collector)["dnt"], 3 - kept)
            collector.stop()
            self.assertEqual(len(self.messages()), kept)

    def test_bots_and_repeats_are_marked_or_dropped(self):
        agents = (AGENT, "Googlebot/2.1 (+http://www.google.com/bot.html)", "", "Zorkel 1")
        for args, kept in (([], 5), (["--drop-bots"], 3), (["--drop-duplicates"], 4),
                           (["--drop-bots", "--bot-word=zorkel", "--drop-duplicates"], 1)):
            collector = self.start(*args)
            for number, agent in enumerate(agents):
                self.send(collector, event(number, p="someone"), {"User-Agent": agent})
            self.send(collector, event(0, p="someone"))
            stats = self.stats(collector)
            self.assertEqual((stats["bots"], stats["duplicates"]), (3 if "--bot-word=zorkel" in args else 2, 1))
            self.assertEqual((stats["events"], stats["messages"], stats["events_dropped"]), (5, kept, 5 - kept))
            if not args:
                messages = self.await_messages(5)
                self.assertEqual([m["bot"] for m in messages], [False, True, True, False, False])
                self.assertEqual([m["duplicate"] for m in messages], [False] * 4 + [True])
            collector.stop()
            self.assertEqual(len(self.messages()), kept)

    def test_an_address_is_kept_as_far_as_was_told(self):
        proxied = {"X-Forwarded-For": "192.0.2.1, 203.0.113.77"}
        for args, kept in ((["--remote-address=none"], None), ([], "127.0.0.0"),
                           (["--remote-address=full"], "127.0.0.1"), (["--trust-forwarded"], "203.0.113.0")):
            collector = self.start(*args)
            self.send(collector, event(1), proxied)
            self.assertEqual(self.await_messages(1)[0].get("remote"), kept, args)
        # The visitor's own line comes first; that of the proxy is the last.
        with Connection(collector.port) as connection:
            connection.send(b"POST /event HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n"
                            b"X-Forwarded-For: 198.51.100.1, 203.0.114.7\r\nContent-Length: 9\r\n\r\n"
                            b'{"t":"b"}')
            self.assertEqual(connection.read_response().status, 204)
        self.assertEqual(self.await_messages(2)[1]["remote"], "203.0.114.0")

    def test_a_sender_with_the_token_tells_time_agent_and_address_of_its_visitor(self):
        token = self.path("token", "s3cret\n")
        told = event(1, at=1700000000000, ua="Visitor/1", remote="198.51.100.9")
        collector = self.start("--sender-token-file=" + token)
        good = {"Authorization": "Bearer s3cret", "Origin": "https://else.example"}
        self.assertEqual(self.send(collector, told, good).status, 204)
        self.assertEqual(self.send(collector, told).status, 204)
        self.assertEqual(self.send(collector, told, {"Authorization": "Bearer s3cred"}).status, 401)
        for at, status in ((9223372036854, 204), (9223372036855, 400), (253402300799999, 400)):
            self.assertEqual(self.send(collector, event(2, at=at), good).status, status, at)
        trusted, stranger, latest = self.await_messages(3)
        self.assertEqual(latest["time"], 9223372036854)
        self.assertEqual((trusted["time"], trusted["agent"]), (1700000000000, "Visitor/1"))
        self.assertEqual(trusted["remote"], "198.51.100.0")  # --remote-address is for all of them
        self.assertEqual((stranger["agent"], stranger["remote"]), (AGENT, "127.0.0.0"))
        self.assertNotEqual(stranger["time"], 1700000000000)
        strict = self.start("--sender-token-file=" + token, "--require-token")
        self.assertEqual(self.send(strict, told).status, 401)
        self.assertEqual(get(strict.url("/event?t=a&token=s3cret")).status, 200)
        self.assertEqual(self.stats(strict)["tokens_refused"], 1)


class Running(CollectorCase):
    def test_help_shows_the_defaults_that_are_its_own(self):
        told = " ".join(run_program("collector", "--help").stdout.split())
        for option, default in (("--max-connections=N", "1024"), ("--max-body-size=SIZE", "128KiB"),
                                ("--idle-timeout=TIME", "15s")):
            with self.subTest(option=option):
                self.assertIn("(default: %s)" % default, told.split(option)[1][:120])

    def test_a_mapping_is_checked_before_anything_is_served(self):
        good = self.path("good.map", "type = type\nwhen type is click\n  drop when bot\nend\n")
        checked = run_program("collector", "--mapping=" + good, "--check")
        self.assertEqual((checked.returncode, checked.stderr), (0, ""))
        self.assertIn(good, checked.stdout)
        bad = self.path("bad.map", "type = type\n\nurl = locaton\n")
        for args in (["--check"], ["--destination-post-url=http://127.0.0.1:1/put"]):
            result = run_program("collector", "--mapping=" + bad, *args)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(bad + ":3", result.stderr)
            self.assertIn("location", result.stderr)  # what was probably meant
        missing = run_program("collector", "--mapping=" + self.path("none.map"), "--check")
        self.assertEqual(missing.returncode, 1)
        self.assertIn("none.map", missing.stderr)

    def test_options_that_make_no_sense_together_are_refused(self):
        to = "--destination-post-url=http://127.0.0.1:1/put"
        for args, word in (([], "--destination-post-url"), ([to, "--require-token"], "--sender-token-file"),
                           ([to, "--spool-sync=1s"], "--spool-path"),
                           ([to, "--drop-duplicates", "--duplicate-window=0"], "--duplicate-window"),
                           ([to, "--remote-address=some"], "truncated")):
            result = run_program("collector", *args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(word, result.stderr)

    def test_numbers_are_told_and_the_token_of_the_daemon_is_not_asked_of_browsers(self):
        collector = self.start("--auth-token-file=" + self.path("admin", "admin\n"))
        self.assertEqual(self.send(collector, event(1)).status, 204)
        self.assertEqual(get(collector.url("/collector.js")).status, 200)
        self.await_messages(1)
        self.assertEqual(get(collector.url("/stats")).status, 401)
        admin = {"Authorization": "Bearer admin"}
        text = get(collector.url("/stats"), admin).text
        stats = get(collector.url("/stats?format=json"), admin).json()
        self.assertIn("events:1\n", text)
        self.assertEqual((stats["messages"], stats["health"], len(stats["destinations"])), (1, "ok", 1))
        metrics = get(collector.url("/metrics"), admin).text
        self.assertIn("\nrivulet_collector_events_total 1\n", metrics)
        self.assertIn("\nrivulet_bridge_received_total 1\n", metrics)

    def test_told_to_stop_it_delivers_what_waits(self):
        down = []
        sink = self.destination(lambda *asked: 503 if not down else 200)
        collector = self.start("--drain-timeout=20s", sink=sink)
        self.send(collector, [event(i) for i in range(20)])
        down.append("no more")
        collector.stop()
        self.assertEqual([m["id"] for m in self.messages()][-20:], ["e%06d" % i for i in range(20)])

    def test_what_could_not_be_delivered_in_time_is_told_by_the_exit_status(self):
        collector = self.start("--drain-timeout=100ms", sink=self.destination(lambda *asked: 503))
        self.send(collector, [event(1), event(2)])
        self.assertEqual(collector.stop(expected=1), 1)
        self.assertIn("2 messages were not delivered", collector.stderr())

    def test_many_events_on_one_connection_are_answered_in_order(self):
        collector = self.start(path="/mput")
        with Connection(collector.port) as connection:
            for i in range(300):
                body = json.dumps(event(i)).encode()
                connection.send(b"POST /event HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"
                                % (len(body), body))
            self.assertEqual({connection.read_response().status for _ in range(300)}, {204})
        self.assertEqual([m["id"] for m in self.await_messages(300)], ["e%06d" % i for i in range(300)])


if __name__ == "__main__":
    unittest.main()
