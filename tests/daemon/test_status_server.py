"""What a program that is no daemon serves where --http-address is given, by the example of ps_to_http: the
common paths, the token, and the addresses it refuses. (What it tells there: the program's own tests.)"""

import os
import tempfile
import unittest

from harness import Connection, Daemon, free_port, get, run_program

OPTIONS = ("--pubsub-url=http://127.0.0.1:%d/sub" % free_port(),
           "--destination-post-url=http://127.0.0.1:%d/put" % free_port())


class StatusServer(unittest.TestCase):
    def test_everything_but_ping_wants_the_token(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("s3cret\n")
            file.flush()
            os.chmod(file.name, 0o600)
            with Daemon("ps_to_http", *OPTIONS, "--http-address=0", "--http-auth-token-file=" + file.name,
                        listens=True) as bridge:
                self.assertEqual(bridge.address, "127.0.0.1")
                self.assertIn(get(bridge.url("/ping")).status, (200, 503))
                for path in ("/", "/stats", "/metrics"):
                    self.assertEqual(get(bridge.url(path)).status, 401, path)
                    answer = get(bridge.url(path), {"Authorization": "Bearer s3cret"})
                    self.assertEqual(answer.status, 200, path)
                self.assertIn("<title>ps_to_http</title>", get(bridge.url("/?token=s3cret")).text)
                self.assertEqual(get(bridge.url("/page/stats.js")).status, 200)
                self.assertIn('program="ps_to_http"', get(bridge.url("/metrics?token=s3cret")).text)
                self.assertIsInstance(get(bridge.url("/stats?format=json&token=s3cret")).json(), dict)
                with Connection(bridge.port) as idle:
                    idle.request("GET", "/ping")
                    bridge.stop()  # is not waited for

    def test_addresses_that_cannot_be_meant_are_refused(self):
        for address, reason in (("127.0.0.1", "must be ADDRESS:PORT"), ("[::1", "must be ADDRESS:PORT"),
                                ("0.0.0.0:0", "--http-auth-token-file=FILE or --insecure")):
            refused = run_program("ps_to_http", *OPTIONS, "--http-address=" + address)
            self.assertEqual(refused.returncode, 2, address)
            self.assertIn("--http-address=%s: " % address, refused.stderr)
            self.assertIn(reason, refused.stderr)


if __name__ == "__main__":
    unittest.main()
