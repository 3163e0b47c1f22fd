"""queuereader with --lease=0: what is fetched has left its queue. A scripted queue of the original kind, and the real one."""

import json
import os
import re
import signal
import socket
import threading
import time
import unittest

import harness
from harness import Daemon, Sink, get, post, wait_until
from reader_case import ReaderCase, ScriptedQueue

SANITIZED = True


class PoppedQueues(ReaderCase):
    def args(self, *args):
        return super().args("--lease=0", *args)

    def test_messages_of_a_queue_are_run_in_order(self):
        with ScriptedQueue([{"n": i} for i in range(250)]) as queue:
            with self.reader("--source=" + queue.url(), "--task=print") as reader:
                reader.wait_for_line(r'\{"n": 249\}')
            self.assertEqual([json.loads(line)["n"] for line in reader.stdout().splitlines()],
                             list(range(250)))
            self.assertEqual(queue.messages, [])
            self.assertIn("/mget?items=100&format=framed", queue.targets())

    def test_exit_when_empty_ends_with_a_summary(self):
        with ScriptedQueue([{"n": i} for i in range(7)]) as queue:
            summary = self.run_json("--source=" + queue.url(), "--task=count",
                                    "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms")
            self.assertEqual(summary["finished"], 7)

    def test_a_failed_task_alone_is_retried_through_the_queue(self):
        with ScriptedQueue([{"x": 13}]) as queue:
            summary = self.run_json(
                "--source=" + queue.url(), "--task=count", self.plugin("picky"),
                "--requeue-delay=50ms", "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms")
            puts = [json.loads(r.body) for r in queue.requests if r.target.startswith("/put?delay=")]
        self.assertEqual([put["tries"] for put in puts], [1, 2])
        for put in puts:
            self.assertEqual(list(put), ["data", "tries", "retry_on", "started", "tasks_left"])
            self.assertEqual(put["data"], {"x": 13})
            self.assertEqual(put["tasks_left"], ["picky"])
            self.assertLess(abs(put["retry_on"] - time.time()), 60)
        self.assertEqual(summary["tasks"][0]["summary"]["messages"], 1)
        self.assertEqual((summary["finished"], summary["requeued"]), (1, 2))

    def test_a_message_that_is_not_due_is_held_without_spinning_and_given_back(self):
        early = {"data": {"n": 1}, "tries": 1, "retry_on": int(time.time()) + 1000,
                 "started": 5, "tasks_left": ["print"]}
        with ScriptedQueue([early]) as queue:
            with Daemon("queuereader", *self.args(
                    "--source=" + queue.url(), "--task=print",
                    "--sleeptime-queue-empty=200ms")) as reader:
                wait_until(lambda: len(queue.targets()) >= 4)
                self.assertEqual(queue.messages, [])
                self.assertEqual(queue.targets("/put"), [])
                self.assertLess(reader.cpu_seconds(), 0.5)
            self.assertEqual(reader.stdout(), "")
            self.assertEqual([json.loads(m) for m in queue.messages], [early])

    def test_sigterm_puts_the_rest_back_exactly(self):
        messages = [b'{"n":%d, "sleep_ms": 20}' % i for i in range(300)]
        with ScriptedQueue(messages) as queue:
            with self.reader("--source=" + queue.url(), self.plugin("sleepy"), "--task=print"
                             ) as reader:
                reader.wait_for_line(r'"n":5,')
            done = reader.stdout().splitlines()
            self.assertLess(len(done), 250)
            back = [m.decode() for m in queue.messages]
        # Nothing lost, nothing twice; what came back is untouched. A queue's tail comes first: what
        # the reader had not fetched yet.
        self.assertEqual(sorted(done + back), sorted(m.decode() for m in messages))
        self.assertEqual(done, [m.decode() for m in messages][:len(done)])

    def test_a_second_sigterm_ends_a_hanging_task_at_once_with_1(self):
        with ScriptedQueue([{"sleep_ms": 600000}]) as queue:
            reader = self.reader("--source=" + queue.url(), "--task=print", self.plugin("sleepy"))
            try:
                reader.wait_for_line("600000")
                reader.signal(signal.SIGTERM)
                time.sleep(0.1)  # the task in hand goes on: nothing to wait for but that it does
                self.assertTrue(reader.running())
                reader.signal(signal.SIGTERM)
                self.assertEqual(reader.wait(), 1)
            finally:
                reader.kill()

    def test_sigterm_early_and_often_exits_0_and_loses_nothing(self):
        with ScriptedQueue() as queue:
            for i in range(15):
                queue.messages = [b"%d" % n for n in range(500)]
                reader = Daemon("queuereader", *self.args(
                    "--source=" + queue.url(), "--task=print", "--mget-items=50",
                    "--sleeptime-queue-empty=1ms"))
                wait_until(lambda: len(queue.messages) < 500 - 20 * i)
                self.assertEqual(reader.stop(), 0)
                all_of_them = reader.stdout().split() + [m.decode() for m in queue.messages]
                self.assertEqual(sorted(all_of_them, key=int), [str(n) for n in range(500)])

    def test_invalid_json_is_set_aside(self):
        with ScriptedQueue([b'{"a":', b"a\nb\n", b"\0", b"1"]) as queue:
            summary = self.run_json("--source=" + queue.url("/?token=s3cret"), "--task=count",
                                    "--queuename=clicks", "--exit-when-empty=0s")
            self.assertIn("/mget?items=100&format=framed&queue=clicks&token=s3cret",
                          queue.targets())
        self.assertEqual((summary["finished"], summary["malformed"]), (1, 3))
        self.assertNotIn("s3cret", summary["source"])
        self.assertEqual(self.set_aside("clicks"), {"malformed": [b'{"a":', b"a\nb\n", b"\0"]})

    def test_a_queue_that_does_not_frame_is_read_by_lines(self):
        for count in (2, 5):  # with and without the last separator, as the original answers
            with ScriptedQueue([{"n": i} for i in range(count)], framed=False) as queue:
                summary = self.run_json("--source=" + queue.url(), "--task=count",
                                        "--mget-items=5", "--exit-when-empty=0s")
                self.assertEqual((summary["finished"], summary["malformed"]), (count, 0))
        for lease in ("0", "30s"):  # bare numbers are messages, and no frames
            with ScriptedQueue([2, 10, 1, 7, 2, 42], framed=False) as queue:
                done = harness.run_program("queuereader", *ReaderCase.args(
                    self,
                    "--source=" + queue.url(), "--task=print", "--lease=" + lease,
                    "--exit-when-empty=0s", "--summary=false"))
                self.assertEqual(done.stdout.split(), ["2", "10", "1", "7", "2", "42"])

    def test_the_next_source_is_read_when_one_fails(self):
        with ScriptedQueue() as first, ScriptedQueue([{"x": 13}]) as second:
            first.down = True
            with self.reader("--source=" + first.url(), "--source=" + second.url(),
                             "--task=print", self.plugin("picky"), "--requeue-delay=20ms"
                             ) as reader:
                reader.wait_for_line('"x": 13')
                # A retry goes back to where its message came from.
                wait_until(lambda: len(second.targets("/put")) == 2)
                self.assertEqual(first.targets("/put"), [])
                # The first one is read again when it is back.
                first.messages.append(b'{"x":1}')
                first.down = False
                reader.wait_for_line('"x":1}')

    def test_a_retry_goes_to_the_other_source_when_its_own_is_gone(self):
        first, second = ScriptedQueue([{"y": 1}]), ScriptedQueue()
        with first, second:
            first.put_status = 503
            with self.reader("--source=" + first.url(), "--source=" + second.url(),
                             self.plugin("picky"), "--requeue-delay=20ms", "--max-tries=2"):
                wait_until(lambda: self.set_aside().get("json"))
            self.assertTrue(second.targets("/put"))

    def test_a_source_that_is_not_there_yet_is_awaited(self):
        port = harness.free_port()
        with self.reader("--source=http://127.0.0.1:%d" % port, "--task=print") as reader:
            reader.wait_for_log("next try in 50ms")
            with Sink(lambda m, t, b: (200, b"1\n7\n"), port=port):
                reader.wait_for_line("^7$")

    def test_a_requeue_that_is_refused_for_good_is_set_aside(self):
        with ScriptedQueue([{"y": 1}]) as queue:
            queue.put_status = 413
            with self.reader("--source=" + queue.url(), self.plugin("picky")):
                wait_until(lambda: self.set_aside().get("json"))
        self.assertEqual(json.loads(self.set_aside()["json"][0])["data"], {"y": 1})

    def test_what_cannot_be_put_back_in_time_is_set_aside_with_status_1(self):
        # Slow from the third on: there is something left when it is told to stop.
        with ScriptedQueue([{"n": i, "sleep_ms": 150 if i > 1 else 0} for i in range(60)]) as queue:
            queue.put_status = 503
            reader = self.reader("--source=" + queue.url(), self.plugin("sleepy"), "--task=print",
                                 "--drain-timeout=300ms")
            reader.wait_for_line('"n": 1,')
            self.assertEqual(reader.stop(expected=1), 1)
        aside = [json.loads(m)["n"] for m in self.set_aside()["json"]]
        done = [json.loads(line)["n"] for line in reader.stdout().splitlines()]
        self.assertEqual(sorted(done + aside), list(range(60)))

    def test_an_answer_that_breaks_off_gives_its_whole_messages(self):
        listener = socket.create_server(("127.0.0.1", 0))

        def serve():
            connection, _ = listener.accept()
            listener.close()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Format: framed\r\n"
                               b"Content-Length: 100\r\n\r\n1\n7\n1\n8\n5\n12")
            connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        with self.reader("--source=http://127.0.0.1:%d" % listener.getsockname()[1],
                         "--task=print") as reader:
            reader.wait_for_line("^8$")
        self.assertEqual(reader.stdout(), "7\n8\n")

    def test_progress_and_heartbeat(self):
        heartbeat = os.path.join(self.folder, "heartbeat")
        with ScriptedQueue([{"n": 1}]) as queue:
            with self.reader("--source=" + queue.url(), "--task=count", "--stats-interval=20ms",
                             "--heartbeat-file=" + heartbeat) as reader:
                wait_until(lambda: re.search(r"1 messages, \d+/s; count: messages=1",
                                             reader.stderr()))
        self.assertTrue(os.path.exists(heartbeat))

    def test_the_real_simplequeue(self):
        with Daemon("simplequeue") as queue:
            for i in range(50):
                post(queue.url("/put"), json.dumps({"x": 13 if i % 10 == 0 else i, "n": "a\nb"}))
            post(queue.url("/put"), b"not json\n")
            summary = self.run_json(
                "--source=" + queue.url(), "--task=count", self.plugin("picky"),
                "--requeue-delay=20ms", "--sleeptime-queue-empty=10ms", "--exit-when-empty=50ms",
                "--mget-items=7")
            # Six messages hold 13 (0, 10, 20, 30, 40 and 13 itself) and fail twice.
            self.assertEqual(
                {k: summary[k] for k in ("finished", "requeued", "malformed", "given_up")},
                {"finished": 50, "requeued": 12, "malformed": 1, "given_up": 0})
            self.assertEqual(self.set_aside(), {"malformed": [b"not json\n"]})
            self.assertIn("depth:0\n", get(queue.url("/stats")).text)

    def test_sigterm_with_the_real_simplequeue_loses_nothing(self):
        with Daemon("simplequeue") as queue:
            for i in range(300):
                post(queue.url("/put?queue=slow"), b'{"n":%d,"sleep_ms":5}' % i)
            with self.reader("--source=" + queue.url(), "--queuename=slow", "--task=print",
                             self.plugin("sleepy"), "--mget-items=40") as reader:
                reader.wait_for_line('"n":20,')
            back = get(queue.url("/mget?items=1000&queue=slow")).text.split()
            self.assertEqual(sorted(back + reader.stdout().split()),
                             sorted('{"n":%d,"sleep_ms":5}' % i for i in range(300)))

    def test_a_message_that_cannot_be_set_aside_stops_the_reader_and_goes_back(self):
        with ScriptedQueue([b"1"]) as queue:
            reader = self.reader("--source=" + queue.url(), "--task=print")
            reader.wait_for_line("^1$")
            # A file takes the folder's name while the reader runs.
            with open(self.failed, "x"):
                pass
            queue.messages = [b"{", b"2"]
            self.assertEqual(reader.wait(), 1)
            self.assertIn("cannot set a message aside", reader.stderr())
            # The other one may have been in hand already.
            self.assertEqual(sorted(queue.messages + reader.stdout().encode().split()), [b"1", b"2", b"{"])


if __name__ == "__main__":
    unittest.main()
