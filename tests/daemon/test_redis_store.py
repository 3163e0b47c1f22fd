"""The real redis-server that other tests stand on: it starts, answers, and comes back."""

import os
import unittest

from redis_server import RedisError, RedisServer


class RedisServerTest(unittest.TestCase):
    def test_it_answers_every_kind_of_reply(self):
        with RedisServer(port=True) as redis:
            self.assertRegex(redis.url, r"^redis://127\.0\.0\.1:\d+/0$")
            self.assertEqual(redis.unix_url, "redis+unix://" + redis.socket_path)
            self.assertEqual(redis.ask("SET", "a", b"\x00\r\n"), "OK")
            self.assertEqual(redis.ask("GET", "a"), b"\x00\r\n")
            self.assertIsNone(redis.ask("GET", "none"))
            self.assertEqual(redis.ask("HINCRBY", "h", "f", 3), 3)
            self.assertEqual(redis.hash("h"), {"f": "3"})
            redis.ask("ZINCRBY", "z", 1.5, "m")
            self.assertEqual(redis.sorted_set("z"), {"m": 1.5})
            with self.assertRaisesRegex(RedisError, "^WRONGTYPE"):
                redis.ask("GET", "h")

    def test_what_it_kept_on_disk_is_there_after_a_crash(self):
        with RedisServer("--appendonly", "yes", "--appendfsync", "always") as redis:
            redis.ask("SET", "a", "1")
            before = redis.pid
            redis.restart()
            self.assertNotEqual(redis.pid, before)
            self.assertEqual(redis.ask("GET", "a"), b"1")
            folder = redis.folder
        self.assertFalse(os.path.exists(folder))

    def test_a_password_is_part_of_its_url(self):
        with RedisServer(password="secret") as redis:
            self.assertTrue(redis.url.startswith("redis+unix://:secret@/"))
            self.assertEqual(redis.ask("PING"), "PONG")
            with self.assertRaisesRegex(RedisError, "^WRONGPASS"):
                redis.ask("PING", password="wrong")


if __name__ == "__main__":
    unittest.main()
