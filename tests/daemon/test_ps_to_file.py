"""ps_to_file: what is in the files, and what they are called."""

import os
import shutil
import signal
import time
import unittest

from archive_case import ArchiveCase, summary
from harness import framed, get, run_program, wait_until
from scripted_http import ScriptedSource

# run.py runs this file against the sanitized programs too.
SANITIZED = True


class Files(ArchiveCase):
    def test_messages_are_lines_of_a_part_file_that_the_next_start_goes_on_with(self):
        self.publish(b"one\ntwo\n")
        archiver = self.start("log")
        self.await_position(2)
        self.assertEqual(self.files(), ["log.part"])
        archiver.stop()
        self.assertEqual(summary(archiver), (2, 2, 0, 0))
        self.publish(b"three\n")
        archiver = self.start("log")
        self.await_position(3)
        archiver.stop()
        self.assertEqual(self.files(), ["log.part"])
        self.assertEqual(self.content("log.part"), b"one\ntwo\nthree\n")

    def test_sighup_completes_files_and_no_name_is_taken_twice(self):
        with open(self.path("log"), "w", encoding="utf-8") as file:
            file.write("not ours\n")
        with open(self.path("log.1.part"), "w", encoding="utf-8") as file:
            file.write("nor this\n")
        archiver = self.start("log")
        for count, line in enumerate((b"a\n", b"b\n"), 1):
            self.publish(line)
            self.await_position(count)
            archiver.signal(signal.SIGHUP)
            wait_until(lambda: os.path.exists(self.path("log.%d" % (count + 1))),
                       what="the completed file %d" % count)
        archiver.stop()
        self.assertEqual(self.files(), ["log", "log.1.part", "log.2", "log.3"])
        self.assertEqual([self.content(name) for name in self.files()],
                         [b"not ours\n", b"nor this\n", b"a\n", b"b\n"])
        self.assertEqual(summary(archiver), (2, 2, 0, 2))

    def test_a_file_is_complete_when_its_time_is_over(self):
        archiver = self.start("log-%Y%m%d%H%M%S")
        before = int(time.strftime("%Y%m%d%H%M%S", time.gmtime()))
        self.publish(b"now\n")
        name = wait_until(lambda: [n for n in self.files() if not n.endswith(".part")], 10,
                          "a completed file")[0]
        after = int(time.strftime("%Y%m%d%H%M%S", time.gmtime()))
        self.assertTrue(before <= int(name[4:]) <= after, (before, name, after))
        self.assertEqual(self.content(name), b"now\n")
        archiver.stop()
        self.assertEqual(self.files(), [name])

    def test_fields_of_the_message_name_folders_and_files(self):
        archiver = self.start("{geo.country}/{user}-{n}.jsonl")
        lines = [(b'{"geo":{"country":"DE"},"user":"a"}', "DE/a-0.jsonl.part"),
                 (b'{"geo":{"country":".."},"user":"../../etc"}',
                  "%2E./%2E.%2F..%2Fetc-0.jsonl.part"),
                 (b'{"geo":{"country":""},"user":7}', "none/7-0.jsonl.part"),
                 (b'no json', "none/none-0.jsonl.part"),
                 (b'{"geo":{"country":"\\u00e9"},"user":"%s"}' % (b"x" * 300),
                  "%%C3%%A9/%s-0.jsonl.part" % ("x" * 100))]
        for line, _ in lines:
            self.publish(line + b"\n")
        self.await_position(len(lines))
        archiver.stop()
        self.assertEqual(self.files(), sorted(name for _, name in lines))
        for line, name in lines:
            self.assertEqual(self.content(name), line + b"\n")

    def test_files_are_no_longer_than_max_file_size_and_numbered(self):
        archiver = self.start("log.txt", "--max-file-size=10")
        self.publish(b"12345\n12345\n1234\nlonger than a file\n1\n")
        self.await_position(5)
        archiver.stop()
        # By hand: 6 + 6 > 10; 6 + 5 > 10; 5 + 19 > 10; 19 + 2 > 10.
        self.assertEqual({name: self.content(name) for name in self.files()}, {
            "log.txt": b"12345\n", "log.txt.1": b"12345\n", "log.txt.2": b"1234\n",
            "log.txt.3": b"longer than a file\n", "log.txt.4.part": b"1\n"})

    def test_compressed_files_are_read_by_their_programs(self):
        for kind, suffix in (("gzip", ".gz"), ("zstd", ".zst")):
            if shutil.which(kind) is None:
                continue
            with self.subTest(kind=kind):
                archiver = self.start("log", "--compress=" + kind, "--state-file=" +
                                      self.path("state." + kind),
                                      url=self.pubsub.url("/sub?since=earliest&topic=" + kind))
                past = b""
                for i in range(5):
                    piece = b"".join(b"line %d\n" % n for n in range(1000 * i, 1000 * i + 1000))
                    past += piece
                    self.publish(piece, "?topic=" + kind)
                name = "log" + suffix
                wait_until(lambda: os.path.exists(self.path(name + ".part")) and
                           self.content(name + ".part") == past, 10, "all in " + name)
                archiver.signal(signal.SIGHUP)
                wait_until(lambda: os.path.exists(self.path(name)), what="the completed file")
                archiver.stop()
                self.assertEqual(self.content(name), past)

    def test_framed_files_keep_every_byte(self):
        large = bytes(range(256)) * 32768  # 8 MiB
        messages = [b"\0", b"a\r", b"", b"two\nlines", b"x", large]
        frames = framed(messages)
        archiver = self.start("log", "--format=framed")
        self.publish(frames, "?format=framed")
        self.await_position(len(messages))
        archiver.stop()
        self.assertEqual(self.content("log.part"), frames)

    def test_newlines_in_messages_are_counted_where_lines_are_written(self):
        archiver = self.start("log", "--http-address=0")
        port = archiver.wait_for_line(r"listening on 127.0.0.1:(\d+)").group(1)
        self.publish(b"9\ntwo\nlines\n0\n\n", "?format=framed")
        self.await_position(2)
        stats = get("http://127.0.0.1:%s/stats?format=json" % port).json()
        self.assertEqual((stats["received"], stats["written"], stats["newlines"],
                          stats["source"]["position"], stats["bytes"]), (2, 2, 1, 2, 11))
        metrics = get("http://127.0.0.1:%s/metrics" % port).text
        self.assertIn("rivulet_archive_written_total 2\n", metrics)
        archiver.stop()
        self.assertEqual(self.content("log.part"), b"two\nlines\n\n")

    def test_a_thousand_partitions_with_eight_open_files(self):
        archiver = self.start("{p}.log", "--max-open-files=8", "--sync=none")
        rounds = 3
        most = 0
        for i in range(rounds):
            self.publish(b"".join(b'{"p":%d,"i":%d}\n' % (p, i) for p in range(1000)))
            self.await_position(1000 * (i + 1))
            links = [os.readlink(link) for link in map(
                lambda fd: "/proc/%d/fd/%s" % (archiver.pid, fd),
                os.listdir("/proc/%d/fd" % archiver.pid)) if os.path.lexists(link)]
            most = max(most, sum(link.endswith(".part") for link in links))
        self.assertTrue(0 < most <= 8, most)
        archiver.stop()
        for p in range(1000):
            self.assertEqual(self.content("%d.log.part" % p), b"".join(
                b'{"p":%d,"i":%d}\n' % (p, i) for i in range(rounds)))

    def test_filters_leave_messages_out_and_their_positions_count(self):
        archiver = self.start("log", "--filter-require=k=1")
        self.publish(b'{"k":1}\n{"k":2}\n')
        self.await_position(2)
        archiver.stop()
        self.assertEqual(self.content("log.part"), b'{"k":1}\n')
        self.assertEqual(summary(archiver), (2, 1, 1, 0))


class Sources(ArchiveCase):
    def test_a_source_without_positions_is_kept_from_where_it_goes_on(self):
        with ScriptedSource() as source:
            archiver = self.start("log", url=source.url())
            source.stream(0).send(b"a\nb\n")
            wait_until(lambda: self.files() and self.content("log.part") == b"a\nb\n",
                       what="both lines")
            archiver.stop()
            archiver = self.start("log", url=source.url())
            source.stream(1).send(b"c\n")
            wait_until(lambda: self.content("log.part") == b"a\nb\nc\n", what="the third line")
            archiver.stop()

    def test_silence_ends_with_3_and_all_is_written(self):
        self.publish(b"one\n")
        archiver = self.start("log", "--max-silence=300ms")
        self.assertEqual(archiver.wait(), 3)
        self.assertEqual(self.content("log.part"), b"one\n")
        self.assertIn("--max-silence", archiver.stderr())

    def test_a_second_archive_needs_a_state_of_its_own(self):
        self.start("log")
        wait_until(lambda: os.path.exists(self.path(".ps_to_file.state")), what="the state")
        second = run_program("ps_to_file", "--filename-format=" + self.path("other"),
                             "--pubsub-url=" + self.pubsub.url())
        self.assertEqual(second.returncode, 1)
        self.assertRegex(second.stderr, r"\Aps_to_file: --state-file=.*: in use by process \d+\n\Z")

    def test_a_state_that_is_something_else_is_refused(self):
        with open(self.path(".ps_to_file.state"), "w", encoding="utf-8") as state:
            state.write("my notes\n")
        wrong = run_program("ps_to_file", "--filename-format=" + self.path("log"),
                            "--pubsub-url=" + self.pubsub.url())
        self.assertEqual(wrong.returncode, 1)
        self.assertIn("must be the state of an archive", wrong.stderr)
        with open(self.path(".ps_to_file.state"), encoding="utf-8") as state:
            self.assertEqual(state.read(), "my notes\n")

    def test_wrong_options_are_refused_with_2(self):
        for args, words in (
                ([], "--filename-format"),
                (["--filename-format=a%Q"], "strftime"),
                (["--filename-format=a/"], "the name of a file"),
                (["--filename-format={"], "{ }"),
                (["--filename-format=a", "--compress=lz4"], "--compress"),
                (["--filename-format=a", "--compress-level=3"], "--compress=gzip or zstd"),
                (["--filename-format=a", "--compress=gzip", "--compress-level=12"], "1 to 9"),
                (["--filename-format=a", "--offset-file=x"], "unknown option"),
                (["--filename-format=a", "--checkpoint-interval=0"], "1ms")):
            with self.subTest(args=args):
                wrong = run_program("ps_to_file", "--pubsub-url=http://127.0.0.1:1", *args)
                self.assertEqual(wrong.returncode, 2, wrong.stderr)
                self.assertIn(words, wrong.stderr)
                self.assertEqual(wrong.stderr.count("\n"), 1)


if __name__ == "__main__":
    unittest.main()
