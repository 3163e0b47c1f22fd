"""simplequeue over HTTP: the contract's exact answers, and the recorded answers of the original."""

import json
import os
import signal
import tempfile
import unittest

from harness import Connection, Daemon, get, post, raw_request, request, wait_until

# run.py runs this file against the sanitized programs too.
SANITIZED = True



def stats(queue, name=None):
    query = "&queue=" + name if name else ""
    return get(queue.url("/stats?format=json" + query)).json()


class PutAndGet(unittest.TestCase):
    def test_messages_come_back_in_order_byte_for_byte(self):
        messages = [b"hello", b'{"a":1}', b"line\n", b"ab\0cd", b"\0abc", b"\x01\xff\xfe\r\n", b"x" * 70000]
        with Daemon("simplequeue") as queue:
            for message in messages:
                answer = post(queue.url("/put"), message)
                self.assertEqual((answer.status, answer.body), (200, b""))
            self.assertEqual([get(queue.url("/get")).body for _ in messages], messages)
            empty = get(queue.url("/get"))
            self.assertEqual((empty.status, empty.body), (200, b""))

    def test_exact_answers(self):
        with Daemon("simplequeue") as queue:
            def head_and_body(target):
                data = b"GET " + target + b" HTTP/1.1\r\nHost: h\r\n\r\n"
                answer = raw_request(queue.port, data)[0]
                return answer.status, answer.header("Content-Length"), answer.body
            self.assertEqual(head_and_body(b"/get"), (200, "0", b""))
            self.assertEqual(head_and_body(b"/put?data=hello"), (200, "0", b""))
            self.assertEqual(head_and_body(b"/get"), (200, "5", b"hello"))
            self.assertEqual(head_and_body(b"/put"), (400, "13", b"missing data\n"))
            self.assertEqual(head_and_body(b"/mput"), (400, "13", b"missing data\n"))
            for items in (b"0", b"-1", b"abc", b"2x", b"", b"99999999999999999999"):
                self.assertEqual(head_and_body(b"/mget?items=" + items),
                                 (400, "28", b"number of items must be > 0\n"), items)
            self.assertEqual(
                head_and_body(b"/stats"),
                (200, "60", b"puts:1\ngets:1\ndepth:0\ndepth_high_water:1\nbytes:0\noverflow:0\n"))

    def test_data_in_the_query_is_percent_decoded_as_recorded(self):
        cases = {b"a%20b%26c%3Dd": b"a b&c=d", b"a+b": b"a b", b"%C3%A9": b"\xc3\xa9", b"100%": b"100%",
                 b"%zz": b"%zz", b"%4": b"%4", b"a%00b": b"a\0b", b"a%0Ab": b"a\nb", b"%25s%25n": b"%s%n",
                 b"a#frag": b"a#frag"}
        with Daemon("simplequeue") as queue:
            for sent, kept in cases.items():
                raw_request(queue.port, b"GET /put?data=" + sent + b" HTTP/1.1\r\nHost: h\r\n\r\n")
                self.assertEqual(get(queue.url("/get")).body, kept, sent)
            post(queue.url("/put?data=fromquery"), b"frombody")
            self.assertEqual(get(queue.url("/get")).body, b"fromquery")
            get(queue.url("/put?data=x&data=y"))
            self.assertEqual(get(queue.url("/get")).body, b"x")
            get(queue.url("/put?DATA=up"))
            self.assertEqual(get(queue.url("/get")).body, b"up")
            for missing in ("/put?d%61ta=z", "/put?data", "/put?data="):
                self.assertEqual(get(queue.url(missing)).status, 400, missing)

    def test_message_ids_are_dense(self):
        with Daemon("simplequeue") as queue:
            ids = [post(queue.url("/put"), b"m").header("X-Message-Id") for _ in range(3)]
            self.assertEqual(ids, ["1", "2", "3"])

    def test_head_looks_and_takes_nothing(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/put"), b"12345")
            for target in ("/get", "/mget?items=3"):
                with Connection(queue.port) as connection:
                    answer = connection.request("HEAD", target)
                    self.assertEqual(answer.status, 200)
                    # Nothing but the head came: the connection goes on.
                    self.assertEqual(connection.request("GET", "/ping").body, b"OK")
            self.assertEqual(request("HEAD", queue.url("/put?data=x")).status, 405)
            self.assertEqual(stats(queue)["depth"], 1)
            self.assertEqual(stats(queue)["gets"], 0)

    def test_a_get_with_a_body_is_no_put(self):
        with Daemon("simplequeue") as queue:
            self.assertEqual(request("GET", queue.url("/put"), b"getbody").status, 400)
            self.assertEqual(stats(queue)["puts"], 0)

    def test_a_short_body_puts_nothing(self):
        with Daemon("simplequeue") as queue:
            with Connection(queue.port) as connection:
                connection.send(b"POST /put HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
            self.assertEqual(stats(queue)["puts"], 0)


class Batches(unittest.TestCase):
    def test_mput_by_get_and_by_post(self):
        with Daemon("simplequeue") as queue:
            self.assertEqual(get(queue.url("/mput?data=a%0Ab%0Ac")).status, 200)
            self.assertEqual(get(queue.url("/dump")).body, b"a\nb\nc\n")
            self.assertEqual(get(queue.url("/mget?items=3")).body, b"a\nb\nc")
            post(queue.url("/mput"), b"a\nb\n")
            self.assertEqual(get(queue.url("/mget?items=2")).body, b"a\nb")

    def test_mget_of_five_with_four_there(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"m1\nm2\nm3\nm4")
            # A separator after every item but the fifth, which is not there.
            self.assertEqual(get(queue.url("/mget?items=5")).body, b"m1\nm2\nm3\nm4\n")
            self.assertEqual(get(queue.url("/mget?items=5")).body, b"")

    def test_separators(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput?separator=%7C"), b"a|b\nc|d")
            self.assertEqual(get(queue.url("/mget?items=3&separator=%3B")).body, b"a;b\nc;d")
            post(queue.url("/mput?separator=::"), b"a::b:c::d")
            self.assertEqual(get(queue.url("/mget?items=10&separator=--")).body, b"a--b:c--d--")
            post(queue.url("/mput"), b"m4\nm5")
            self.assertEqual(get(queue.url("/mget?items=10&separator=")).body, b"m4m5")
            self.assertEqual(post(queue.url("/mput?separator="), b"a").status, 400)

    def test_empty_records_are_skipped_where_the_original_hung(self):
        with Daemon("simplequeue") as queue:
            for batch in (b"a\n\nb", b"\na\nb", b"a\nb\n\n"):
                self.assertEqual(post(queue.url("/mput"), batch).status, 200)
                self.assertEqual(get(queue.url("/mget?items=2")).body, b"a\nb")
            self.assertEqual(post(queue.url("/mput"), b"\n").status, 200)
            self.assertEqual(get(queue.url("/mput?data=")).status, 200)
            self.assertEqual(stats(queue)["depth"], 0)

    def test_framed_batches_carry_any_bytes(self):
        with Daemon("simplequeue") as queue:
            framed = b"3\na\nb\n2\n\0\n\n"
            self.assertEqual(post(queue.url("/mput?format=framed"), framed).status, 200)
            answer = get(queue.url("/mget?items=9&format=framed"))
            self.assertEqual((answer.body, answer.header("X-Format")), (framed, "framed"))
            answer = get(queue.url("/mget?items=9&format=framed"))
            self.assertEqual((answer.body, answer.header("X-Format")), (b"", "framed"))
            self.assertIsNone(get(queue.url("/mget?items=9")).header("X-Format"))

    def test_an_empty_frame_is_refused_and_all_of_its_batch(self):
        with Daemon("simplequeue") as queue:
            answer = post(queue.url("/mput?format=framed"), b"1\na\n0\n\n1\nb\n")
            self.assertEqual(answer.status, 400)
            self.assertIn(b"missing data: frame 2 of 3 is empty", answer.body)
            self.assertEqual(get(queue.url("/get")).body, b"")

    def test_a_wrong_frame_puts_nothing(self):
        with Daemon("simplequeue") as queue:
            answer = post(queue.url("/mput?format=framed"), b"1\na\n9\nshort\n")
            self.assertEqual(answer.status, 400)
            self.assertIn("at byte 4", answer.text)
            self.assertEqual(stats(queue)["depth"], 0)
            self.assertEqual(post(queue.url("/mput?format=xml"), b"a").status, 400)

    def test_max_mget_bounds_and_item_separators_are_options(self):
        with Daemon("simplequeue", "--max-mget=2", "--mget-item-sep=,", "--mput-item-sep=;") as queue:
            post(queue.url("/mput"), b"aaaa;bbbb;cccc")
            self.assertEqual(get(queue.url("/mget?items=50")).body, b"aaaa,bbbb")
            self.assertEqual(get(queue.url("/mget?items=50")).body, b"cccc,")

    def test_a_dump_streams_all_and_takes_none(self):
        with Daemon("simplequeue") as queue:
            batch = b"".join(b"%06d %s\n" % (i, b"x" * 90) for i in range(50_000))
            for start in range(0, len(batch), 980_000):
                post(queue.url("/mput"), batch[start:start + 980_000])
            self.assertEqual(get(queue.url("/dump")).body, batch)
            self.assertEqual(stats(queue)["depth"], 50_000)
            # On HTTP/1.0 it is not chunked and ends with the connection.
            answer = raw_request(queue.port, b"GET /dump HTTP/1.0\r\n\r\n")[0]
            self.assertEqual(answer.body, batch)

    def test_a_connection_goes_on_after_a_dump(self):
        with Daemon("simplequeue") as queue, Connection(queue.port) as connection:
            connection.request("POST", "/mput", b"a\nb")
            connection.send(b"GET /dump HTTP/1.1\r\nHost: h\r\n\r\nGET /get HTTP/1.1\r\nHost: h\r\n\r\n")
            self.assertEqual(connection.read_response().body, b"a\nb\n")
            self.assertEqual(connection.read_response().body, b"a")


class Queues(unittest.TestCase):
    def test_named_queues_are_apart(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/put?queue=a"), b"in a")
            post(queue.url("/put?queue=b"), b"in b")
            post(queue.url("/put"), b"in default")
            self.assertEqual(get(queue.url("/get?queue=b")).body, b"in b")
            self.assertEqual(get(queue.url("/get?queue=default")).body, b"in default")
            self.assertEqual(get(queue.url("/get?queue=a")).body, b"in a")
            self.assertEqual(get(queue.url("/get?queue=never")).body, b"")
            self.assertEqual(stats(queue, "a")["puts"], 1)
            self.assertEqual(sorted(stats(queue)["queues"]), ["a", "b", "default"])

    def test_names_are_checked_and_bounded(self):
        with Daemon("simplequeue", "--max-queues=2") as queue:
            for bad in ("", "a%20b", "a/b", "x" * 65, "a%00"):
                for target in ("/put?data=x&queue=", "/get?queue=", "/stats?queue="):
                    self.assertEqual(get(queue.url(target + bad)).status, 400, bad)
            self.assertEqual(get(queue.url("/put?data=x&queue=one")).status, 200)
            full = get(queue.url("/put?data=x&queue=two"))
            self.assertEqual(full.status, 503)
            self.assertIn("--max-queues=2", full.text)


class Bounds(unittest.TestCase):
    def test_a_full_queue_refuses_and_says_so(self):
        with Daemon("simplequeue", "--max-depth=2") as queue:
            for data in ("a", "b"):
                self.assertEqual(get(queue.url("/put?data=" + data)).status, 200)
            full = get(queue.url("/put?data=c"))
            self.assertEqual(full.status, 503)
            self.assertTrue(int(full.header("Retry-After")) > 0)
            get(queue.url("/get"))
            # All or nothing.
            self.assertEqual(post(queue.url("/mput"), b"c\nd").status, 503)
            self.assertEqual(get(queue.url("/dump")).body, b"b\n")
            self.assertEqual(get(queue.url("/put?data=e")).status, 200)
            self.assertEqual(stats(queue)["depth_high_water"], 2)

    def test_what_can_never_fit_is_refused_for_good(self):
        with Daemon("simplequeue", "--max-bytes=10", "--max-depth=3") as queue:
            self.assertEqual(post(queue.url("/put"), b"x" * 11).status, 413)
            self.assertEqual(post(queue.url("/mput"), b"a\nb\nc\nd").status, 413)
            self.assertEqual(post(queue.url("/put"), b"x" * 10).status, 200)

    def test_the_oldest_go_to_the_overflow_log_before_they_leave(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "overflow.log")
            with Daemon("simplequeue", "--max-depth=2", "--overflow-log=" + log) as queue:
                for i in range(1, 6):
                    self.assertEqual(get(queue.url("/put?data=o%d" % i)).status, 200)
                self.assertEqual(get(queue.url("/dump")).body, b"o4\no5\n")
                with open(log, "rb") as file:
                    self.assertEqual(file.read(), b"o1\no2\no3\n")
                numbers = stats(queue)
                self.assertEqual((numbers["puts"], numbers["overflow"], numbers["depth_high_water"]),
                                 (5, 3, 2))
                # Rotated: SIGHUP opens the file again.
                os.rename(log, log + ".1")
                queue.signal(signal.SIGHUP)
                wait_until(lambda: os.path.exists(log), what="the new overflow log")
                post(queue.url("/put"), b"n\0ul")
                with open(log, "rb") as file:
                    self.assertEqual(file.read(), b"o4\n")
            # At the end the rest of the queue goes there, as the original does, NUL and all.
            with open(log, "rb") as file:
                self.assertEqual(file.read(), b"o4\no5\nn\0ul\n")

    def test_a_batch_larger_than_the_queue_passes_its_first_messages_to_the_log(self):
        """The recorded cases 137 and 138 of the original."""
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "overflow.log")
            with Daemon("simplequeue", "--max-bytes=10", "--mput-item-sep=;",
                        "--overflow-log=" + log) as queue:
                get(queue.url("/put?data=old"))
                self.assertEqual(post(queue.url("/mput"), b"aaaa;bbbb;cccc;dddd").status, 200)
                self.assertEqual(get(queue.url("/dump")).body, b"cccc\ndddd\n")
                with open(log, "rb") as file:
                    self.assertEqual(file.read(), b"old\naaaa\nbbbb\n")
                numbers = stats(queue)
                self.assertEqual((numbers["puts"], numbers["depth"], numbers["bytes"],
                                  numbers["overflow"]), (5, 2, 8, 3))
                self.assertEqual(post(queue.url("/mput"), b"e;" + b"f" * 11).status, 413)
                self.assertEqual(stats(queue)["puts"], 5)

    def test_an_overflow_log_that_cannot_be_written_refuses_the_put(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("/dev/full is not there")
        with Daemon("simplequeue", "--max-depth=1", "--overflow-log=/dev/full") as queue:
            get(queue.url("/put?data=a"))
            refused = get(queue.url("/put?data=b"))
            self.assertEqual(refused.status, 507)
            self.assertEqual(get(queue.url("/dump")).body, b"a\n")
            get(queue.url("/get"))  # so that the end has nothing to flush


class Numbers(unittest.TestCase):
    def test_depth_and_bytes(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"four\nsixsix")
            self.assertEqual(get(queue.url("/stats")).body,
                             b"puts:2\ngets:0\ndepth:2\ndepth_high_water:2\nbytes:10\noverflow:0\n")
            text = get(queue.url("/stats?format=json")).text
            self.assertTrue(text.startswith(
                '{"puts": 2,"gets": 0,"depth": 2,"depth_high_water": 2,"bytes": 10,"overflow": 0'), text)
            json.loads(text)

    def test_reset_answers_first_and_keeps_what_is_there(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput"), b"a\nb\nc")
            get(queue.url("/get"))
            self.assertIn(b"puts:3\n", get(queue.url("/stats?reset=1")).body)
            self.assertEqual(get(queue.url("/stats?reset=0")).body,
                             b"puts:0\ngets:0\ndepth:2\ndepth_high_water:2\nbytes:2\noverflow:0\n")
            get(queue.url("/put?data=d"))
            self.assertEqual(stats(queue)["puts"], 1)

    def test_metrics_carry_the_same_numbers(self):
        with Daemon("simplequeue") as queue:
            post(queue.url("/mput?queue=jobs"), b"a\nb\nc")
            get(queue.url("/get?queue=jobs"))
            text = get(queue.url("/metrics")).text
            self.assertIn('rivulet_queue_depth{queue="jobs"} 2\n', text)
            self.assertIn('rivulet_queue_puts_total{queue="jobs"} 3\n', text)
            self.assertIn('rivulet_queue_gets_total{queue="jobs"} 1\n', text)

    def test_memory_of_a_million_messages(self):
        # The daemon of the default build; a sanitizer's own memory would hide ours.
        if "asan" in os.environ.get("RIVULET_BIN_DIR", ""):
            self.skipTest("measured on the release build")
        batch = b"\n".join([b"x" * 100] * 10_000)
        with Daemon("simplequeue") as queue:
            for _ in range(100):
                post(queue.url("/mput"), batch)
            self.assertEqual(stats(queue)["depth"], 1_000_000)
            self.assertLess(queue.resident_bytes(), 120_000_000)
            for _ in range(100):
                get(queue.url("/mget?items=10000"))
            self.assertEqual(stats(queue)["depth"], 0)
            self.assertLess(queue.resident_bytes(), 20_000_000)


class Exit(unittest.TestCase):
    def test_exit_is_there_only_when_enabled(self):
        with Daemon("simplequeue") as queue:
            self.assertEqual(get(queue.url("/exit")).status, 404)
        queue = Daemon("simplequeue", "--enable-exit")
        self.assertEqual(get(queue.url("/exit")).status, 200)
        self.assertEqual(queue.wait(), 0)


if __name__ == "__main__":
    unittest.main()
