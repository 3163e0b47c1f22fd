"""collector when its destination, its process or its disk fails, and when its visitors mean harm: no event is lost
that was answered well, and what is kept of them is bounded."""

import http.client
import json
import os
import select
import sys
import unittest

from collector_case import CollectorCase, event
from harness import IS_SANITIZED, ROOT, Connection, free_port, get, post, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "torture"))
from shim import Fault  # noqa: E402

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Away:
    """In place of a destination that is down; the port is free for it to come back to."""

    def __init__(self):
        self.port = free_port()

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.port, path)


class Loss(CollectorCase):
    def setUp(self):
        super().setUp()
        self.spool = self.path("spool")

    def test_every_event_answered_survives_kill_9_and_arrives_in_order(self):
        away = Away()
        sent = 0
        for _ in range(3):
            collector = self.start("--spool-path=" + self.spool, sink=away)
            for _ in range(20):
                self.assertEqual(self.send(collector, event(sent)).status, 204)
                sent += 1
            collector.kill()
        sink = self.destination(port=away.port)
        collector = self.start("--spool-path=" + self.spool, sink=sink)
        self.await_messages(sent)
        collector.stop()
        self.assertEqual([m["id"] for m in self.messages()], ["e%06d" % i for i in range(sent)])

    def test_an_event_is_not_answered_before_it_is_on_disk(self):
        os.mkdir(self.spool)
        away = Away()
        # Killed when it is about to write an event, after it has taken it.
        fault = Fault(self.spool, op="write", nth=12, action="kill_before")
        collector = self.start("--spool-path=" + self.spool, sink=away, env=fault.env)
        answered = 0
        try:
            while answered < 100 and self.send(collector, event(answered)).status == 204:
                answered += 1
        except (OSError, http.client.HTTPException):
            pass
        self.assertTrue(fault.hit())
        self.assertIn(answered, range(1, 100))
        collector.wait()
        sink = self.destination(port=away.port)
        self.start("--spool-path=" + self.spool, sink=sink)
        self.await_messages(answered)
        self.assertEqual([m["id"] for m in self.messages()[:answered]],
                         ["e%06d" % i for i in range(answered)])

    def test_a_repeat_is_not_answered_before_its_original_is_safe(self):
        for number, (mapping, args) in enumerate((("id = id\n", ["--drop-duplicates"]),
                                                  ("id = id\ndrop when duplicate\n", []))):
            spool, gate, stall = (self.path("%s%d" % (name, number)) for name in ("spool", "gate", "stall"))
            os.mkdir(spool)
            os.mkfifo(stall)
            # Once the gate is there, a sync that tells of itself in a pipe stands still until somebody reads it.
            fault = Fault(spool, op="sync", nth=1, action="swallow", gate=gate, hit=stall)
            collector = self.start("--spool-path=" + spool, *args, sink=Away(), mapping=mapping,
                                   env=fault.env)
            self.assertEqual(self.send(collector, event(0)).status, 204)
            self.path(gate, "")
            body = json.dumps(event(1)).encode()
            with Connection(collector.port) as first, Connection(collector.port) as again:
                for taken, connection in enumerate((first, again)):
                    connection.send(b"POST /event HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s"
                                    % (len(body), body))
                    wait_until(lambda taken=taken: self.stats(collector)["events"] == taken + 2, 20)
                self.assertEqual(self.stats(collector)["duplicates"], 1)
                self.assertEqual(select.select([first.socket, again.socket], [], [], 0)[0], [])
                with open(stall, encoding="utf-8") as pipe:
                    self.assertIn("sync", pipe.read())
                self.assertEqual([c.read_response().status for c in (first, again)], [204, 204])
            collector.kill()

    def test_told_to_stop_it_leaves_what_waits_in_the_spool(self):
        away = Away()
        collector = self.start("--spool-path=" + self.spool, "--drain-timeout=60s", sink=away)
        self.send(collector, [event(i) for i in range(50)])
        collector.stop(timeout=20)
        self.assertIn("50 messages wait in the spool", collector.stderr())
        sink = self.destination(port=away.port)
        self.start("--spool-path=" + self.spool, sink=sink)
        self.assertEqual([m["id"] for m in self.await_messages(50)], ["e%06d" % i for i in range(50)])

    def test_no_room_is_answered_503_until_there_is_some(self):
        down = ["yet"]
        sink = self.destination(lambda *asked: 503 if down else 200)
        collector = self.start("--max-pending-bytes=20000", sink=sink)
        taken, status = 0, 204
        while status == 204 and taken < 1000:
            answer = self.send(collector, event(taken, l="http://h/" + "x" * 1000))
            status = answer.status
            taken += status == 204
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.assertGreater(taken, 10)
        pixel = get(collector.url("/event?t=a"))
        self.assertEqual((pixel.status, pixel.header("Retry-After")), (503, answer.header("Retry-After")))
        self.assertEqual(self.stats(collector)["refused_when_full"], 2)
        down.clear()
        wait_until(lambda: self.send(collector, event(5000)).status == 204, 20, "room again")
        # What was refused while there was no room is no repeat now.
        wait_until(lambda: self.messages()[-1]["id"] == "e005000", 20)
        self.assertFalse(self.messages()[-1]["duplicate"])

    def test_an_event_that_could_not_be_made_safe_is_answered_503_and_the_health_says_why(self):
        os.mkdir(self.spool)
        fault = Fault(self.spool, op="sync", nth=6, action="EIO", times=0)
        collector = self.start("--spool-path=" + self.spool, sink=Away(), env=fault.env)
        answered = 0
        while answered < 100 and self.send(collector, event(answered)).status == 204:
            answered += 1
        self.assertTrue(fault.hit())
        self.assertIn(answered, range(1, 100))
        self.assertEqual(get(collector.url("/ping")).status, 503)
        self.assertNotEqual(self.stats(collector)["health"], "ok")
        self.assertEqual(self.send(collector, event(200)).status, 503)
        collector.kill()
        sink = self.destination()
        self.start("--spool-path=" + self.spool, sink=sink)  # another URL: it begins at the oldest message
        messages = self.await_messages(answered)
        self.assertEqual([m["id"] for m in messages[:answered]], ["e%06d" % i for i in range(answered)])

    def test_refused_messages_go_to_the_dead_letters(self):
        dead = self.path("dead")
        collector = self.start("--dead-letter=" + dead, "--spool-path=" + self.spool,
                               sink=self.destination(lambda *asked: 403))
        self.send(collector, [event(1), event(2)])
        wait_until(lambda: self.stats(collector)["refused"] == 2, 20)
        collector.stop()
        with open(dead, encoding="utf-8") as lines:
            letters = lines.read()
        self.assertEqual(letters.count("\n"), 2)
        self.assertIn("e000001", letters)


class Hostile(CollectorCase):
    SCRIPT = "<script>alert(1)</script>\"'\n\u2028\x00"

    def test_a_script_in_every_field_arrives_as_text_or_not_at_all(self):
        collector = self.start(mapping="type = type\nurl = location\nreferer = referer\nagent = user_agent\n"
                                       "all = param\nsource = location.fragment.query.source\n")
        for name in "tpsvilrwcud":
            self.send(collector, {**event(1), name: self.SCRIPT})
        self.send(collector, event(2, l="http://h/#/?source=" + self.SCRIPT, d={self.SCRIPT[:-1]: self.SCRIPT}),
                  {"User-Agent": "<script>\x7f\xff".encode("latin-1")})
        collector.stop()
        with self.sink.lock:
            bodies = [r.body for r in self.sink.requests]
        self.assertTrue(bodies)
        for body in bodies:
            self.assertNotIn(b"\n", body)
            self.assertNotIn(b"\0", body)
            self.assertIsInstance(json.loads(body.decode("utf-8")), dict)

    def test_the_wrong_type_in_any_field_is_refused_by_its_name(self):
        collector = self.start()
        wrong = [event(**{name: value}) for name in "pslid" for value in (7.5, ["x"], True)]
        answer = self.send(collector, wrong, json_answer=True)
        self.assertEqual((answer.status, answer.json()["taken"]), (400, 0))
        self.assertEqual(len(answer.json()["refused"]), len(wrong))
        self.assertEqual(self.stats(collector)["events_refused"], len(wrong))

    def test_ten_thousand_ids_and_huge_events_stay_within_bounds(self):
        collector = self.start("--max-ids=1000", "--max-pending-bytes=1MiB", path="/mput")
        deep = b'{"t":"a","d":' + b'{"a":' * 5000 + b"1" + b"}" * 5001
        self.send(collector, event(0))
        before = collector.resident_bytes()
        for i in range(100):
            answer = self.send(collector, [event(100 * i + j, p="p%d" % i) for j in range(100)])
            self.assertIn(answer.status, (204, 503))
        for body in (deep, json.dumps(event(1, d={"a": "x" * 900_000})).encode(),
                     json.dumps(event(1, d={str(i): i for i in range(50_000)})).encode(),
                     json.dumps([{}] * 100_000).encode()):
            self.assertIn(post(collector.url("/event"), body).status, (400, 413))
        if not IS_SANITIZED:
            self.assertLess(collector.resident_bytes() - before, 24 << 20)
        self.assertEqual(self.send(collector, event(0)).status, 204)


if __name__ == "__main__":
    unittest.main()
