"""queuereader on real simplequeues: leases, several readers, several queues, and the original's kind."""

import json
import os
import tempfile
import unittest

import harness
from harness import Daemon, Sink, post, wait_until
from queue_requests import peek, stats

SANITIZED = True

# Fails what asks for it, through the queue's own words.
FAILS = """exec:while read -r m; do case "$m" in
*fail*) echo '{"ok":false,"error":"as asked","backoff":false}';;
*) echo '{"ok":true}';; esac; done"""


class ReaderTest(unittest.TestCase):
    def setUp(self):
        harness.program_path("queuereader")
        self.folder = self.enterContext(tempfile.TemporaryDirectory())

    def path(self, name):
        return os.path.join(self.folder, name)

    def reader(self, *args):
        return Daemon("queuereader", "--failed-message-dir=" + self.path("failed"),
                      "--sleeptime-queue-empty=10ms", "--sleeptime-failed-queue=20ms",
                      "--max-backoff=0s", *args)

    @staticmethod
    def put(queue, numbers, name="default"):
        body = b"".join(b'{"n":%d}\n' % n for n in numbers)
        assert post(queue.url("/mput?queue=" + name), body).status == 200

    @staticmethod
    def printed(*readers):
        """The numbers that the readers printed, sorted; a line may be half written."""
        lines = [line for reader in readers for line in reader.stdout().splitlines(True)]
        return sorted(json.loads(line)["n"] for line in lines if line.endswith("\n"))

    @staticmethod
    def count(queue, *names, of="default"):
        numbers = stats(queue, of)
        return tuple(numbers[name] for name in names)


class Leases(ReaderTest):
    def test_messages_are_leased_until_the_checkpoint_holds_them_and_then_finished(self):
        with Daemon("simplequeue") as queue:
            self.put(queue, range(100), "jobs")
            with self.reader("--source=" + queue.url(), "--queuename=jobs", "--task=print",
                             "--mget-items=30", "--checkpoint-dir=" + self.path("state"),
                             "--checkpoint-every=1h") as reader:
                wait_until(lambda: len(self.printed(reader)) == 100)
                self.assertEqual(self.count(queue, "depth", "in_flight", "finished", of="jobs"),
                                 (0, 100, 0))
            self.assertEqual(self.count(queue, "depth", "in_flight", "finished", of="jobs"),
                             (0, 0, 100))

    def test_a_message_that_comes_while_it_is_waited_for_is_run_and_finished(self):
        with Daemon("simplequeue") as queue:
            with self.reader("--source=" + queue.url(), "--task=print") as reader:
                wait_until(lambda: stats(queue)["waiting_polls"] == 1)
                self.put(queue, [7])
                wait_until(lambda: stats(queue)["finished"] == 1)
                self.assertEqual(self.printed(reader), [7])
                wait_until(lambda: stats(queue)["waiting_polls"] == 1)
            # The queue waits for nobody any more.
            wait_until(lambda: stats(queue)["waiting_polls"] == 0)

    def test_a_lease_is_kept_alive_while_its_message_waits_for_the_checkpoint(self):
        # Of a machine that stands still for so long leases are lost: it is asked again.
        for lease, checkpoint in (("300ms", "1s"), ("1500ms", "5s"), ("6s", "20s")):
            with Daemon("simplequeue") as queue:
                self.put(queue, range(10))
                with self.reader("--source=" + queue.url("?lease=" + lease), "--task=print",
                                 "--checkpoint-dir=" + self.path("state" + lease),
                                 "--checkpoint-every=" + checkpoint):
                    wait_until(lambda: stats(queue)["finished"] == 10, 60)
                counts = self.count(queue, "timeouts", "gets", "finish_missed")
            if counts[0] == 0:
                break
        self.assertEqual(counts, (0, 10, 0))

    def test_a_failed_message_is_deferred_at_the_queue_and_given_up_as_a_dead_letter(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/put"), b'{"n":"fail"}')
            self.put(queue, [1])
            with self.reader("--source=" + queue.url(), "--task=" + FAILS, "--max-tries=2",
                             "--requeue-delay=1h") as reader:
                wait_until(lambda: self.count(queue, "deferred", "finished") == (1, 1))
                [deferred] = peek(queue, "deferred")
                envelope = json.loads(deferred["body"])
                self.assertEqual((envelope["data"], envelope["tries"]), ({"n": "fail"}, 1))
                self.assertEqual(reader.stop(), 0)
            # Whoever brings it back is given it, and the last try.
            receipt = post(queue.url("/put"), json.dumps({**envelope, "retry_on": None}))
            self.assertEqual(receipt.status, 200)
            with self.reader("--source=" + queue.url(), "--task=" + FAILS, "--max-tries=2",
                             "--requeue-delay=1h"):
                wait_until(lambda: stats(queue)["dead"] == 1)
            self.assertEqual(len(os.listdir(self.path("failed/default"))), 1)

    def test_several_readers_share_a_queue(self):
        with Daemon("simplequeue") as queue:
            args = ("--source=" + queue.url(), "--task=print", "--mget-items=5")
            with self.reader(*args) as one, self.reader(*args) as two, self.reader(*args) as three:
                # All of them wait, and are served in turn.
                wait_until(lambda: stats(queue)["waiting_polls"] == 3)
                self.put(queue, range(300))
                wait_until(lambda: stats(queue)["finished"] == 300)
                self.assertEqual(self.printed(one, two, three), list(range(300)))
                for reader in (one, two, three):
                    self.assertTrue(self.printed(reader))


class TwoReaders(ReaderTest):
    def test_what_a_restarted_queue_gave_to_another_reader_is_not_run_by_the_first(self):
        gate = self.path("gate")
        # Of the first fifty each takes twice as long as the one before, so that the queue, however
        # slow, has told of them before ten have run.
        held = """exec:naps=1; while read -r m; do echo "$m" >>%s
while ! test -e %s; do sleep 0.01; done
case $m in
  *:[0-9]}|*:[1-4][0-9]}) for nap in $(seq $naps); do sleep 0.05; done; naps=$((2 * naps));;
esac
echo '{"ok":true}'; done""" % (self.path("ran"), gate)
        port = harness.free_port()
        queue_args = ("--data-path=" + self.path("queue"), "--port=%d" % port)
        ran = lambda: open(self.path("ran")).read().splitlines()
        with Daemon("simplequeue", *queue_args) as queue:
            self.put(queue, range(50))
            with self.reader("--source=" + queue.url(), "--task=" + held) as first:
                wait_until(lambda: os.path.exists(self.path("ran")) and len(ran()) == 1)
                self.assertEqual(self.count(queue, "in_flight"), (50,))
                queue.kill()
                with Daemon("simplequeue", *queue_args) as again:
                    with self.reader("--source=" + again.url(), "--task=print") as second:
                        wait_until(lambda: self.count(again, "finished") == (50,))
                        self.assertEqual(second.stop(), 0)
                    open(gate, "w").close()
                    # Its finish tells the first one that it holds nothing any more, while another
                    # message runs.
                    self.put(again, range(50, 60))
                    wait_until(lambda: self.count(again, "finished") == (60,))
                    self.assertEqual(first.stop(), 0)
                    firsts = [json.loads(message)["n"] for message in ran()]
                    self.assertLess(len([n for n in firsts if n < 50]), 10)
                    self.assertEqual(sorted({*firsts, *self.printed(second)}), list(range(60)))


class Away(ReaderTest):
    def test_the_other_queue_is_read_while_one_is_away_and_both_when_it_is_back(self):
        port = harness.free_port()
        with Daemon("simplequeue", "--data-path=" + self.path("one"), "--port=%d" % port) as one, \
                Daemon("simplequeue") as two:
            self.put(one, range(10))
            with self.reader("--source=" + one.url(), "--source=" + two.url(), "--task=print"
                             ) as reader:
                wait_until(lambda: self.count(one, "finished") == (10,))
                one.kill()
                self.put(two, range(10, 20))
                wait_until(lambda: self.count(two, "finished") == (10,))
                with Daemon("simplequeue", "--data-path=" + self.path("one"),
                            "--port=%d" % port) as back:
                    self.put(back, range(20, 30))
                    # What was finished in the moment of the kill may have come back, and is not
                    # run again.
                    wait_until(lambda: len(self.printed(reader)) == 30 and
                               self.count(back, "depth", "in_flight") == (0, 0))
                    self.assertEqual(reader.stop(), 0)
                self.assertEqual(self.printed(reader), list(range(30)))

    def test_a_queue_that_was_killed_gives_its_messages_again_and_none_is_run_twice(self):
        port = harness.free_port()
        queue_args = ("--data-path=" + self.path("queue"), "--port=%d" % port)
        with Daemon("simplequeue", *queue_args) as queue:
            self.put(queue, range(100))
            with self.reader("--source=" + queue.url(), "--task=print", "--mget-items=30",
                             "--checkpoint-dir=" + self.path("state"),
                             "--checkpoint-every=1h") as reader:
                wait_until(lambda: len(self.printed(reader)) == 100)
                queue.kill()  # with a hundred leases, of which no later process knows
                with Daemon("simplequeue", *queue_args) as again:
                    self.put(again, range(100, 120))
                    wait_until(lambda: len(self.printed(reader)) == 120)
                    self.assertEqual(self.count(again, "in_flight"), (120,))
                    self.assertEqual(reader.stop(), 0)
                    self.assertEqual(self.count(again, "depth", "in_flight", "finished"),
                                     (0, 0, 120))
                self.assertEqual(self.printed(reader), list(range(120)))


class OriginalQueue(Sink):
    """Knows /mget and /put as the original does: lines, no leases."""

    def __init__(self, messages):
        self.messages = list(messages)
        super().__init__(self.serve)

    def serve(self, method, target, body):
        with self.lock:
            if target.startswith("/mget?"):
                taken, self.messages = self.messages, []
                return 200, b"".join(message + b"\n" for message in taken)
            if target.startswith("/put"):
                self.messages.append(body)
                return 200
            return 404

    def targets(self):
        with self.lock:
            return [request.target for request in self.requests]


class OriginalQueues(ReaderTest):
    def run_on_original(self, parameters):
        with OriginalQueue([b'{"n":1}', b'{"n":"fail"}', b'{"n":3}']) as queue:
            with self.reader("--source=" + queue.url(parameters), "--task=" + FAILS,
                             "--max-tries=2", "--requeue-delay=20ms") as reader:
                wait_until(lambda: os.path.isdir(self.path("failed/default")) and
                           os.listdir(self.path("failed/default")))
                self.assertEqual(reader.stop(), 0)
            puts = [r for r in queue.requests if r.target.startswith("/put")]
            envelope = json.loads(puts[0].body)
            self.assertEqual((envelope["data"], envelope["tries"]), ({"n": "fail"}, 1))
            self.assertGreater(envelope["retry_on"], envelope["started"] - 1)
            return queue.targets(), reader.stderr()

    def test_with_a_lease_of_nought_messages_are_popped(self):
        targets, log = self.run_on_original("?lease=0")
        self.assertEqual(targets[0], "/mget?items=100&format=framed")
        self.assertNotIn("lease", " ".join(targets) + log)

    def test_a_queue_that_knows_no_leases_is_read_all_the_same_and_that_is_said_once(self):
        targets, log = self.run_on_original("")
        self.assertEqual(targets[0], "/mget?items=100&lease=30s&format=framed")
        self.assertEqual(log.count("knows no leases"), 1, log)


if __name__ == "__main__":
    unittest.main()
