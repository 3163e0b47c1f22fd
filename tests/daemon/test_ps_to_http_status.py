"""What ps_to_http shows of itself, what it only prints, and whom it trusts."""

import os
import ssl
import subprocess
import unittest

from bridge_case import RealCase, summary
from harness import Sink, free_port, get, wait_until


class Status(RealCase):
    def test_what_it_does_is_served(self):
        pubsub = self.pubsub()
        queue = self.daemon("simplequeue")
        down = free_port()
        bridge = self.bridge(pubsub, "--http-address=127.0.0.1:0", "--filter-exclude=a=1",
                             "--destination-post-url=" + queue.url("/put"), "--drain-timeout=10ms",
                             "--destination-post-url=http://127.0.0.1:%d/down?token=x" % down,
                             listens=True)
        self.publish(pubsub, [b"one", b'{"a":1}', b"two"])
        wait_until(lambda: self.depth(queue) == 2, 20)

        wait_until(lambda: bridge.stats()["destinations"][1]["requests"] > 0, 20)
        found = bridge.stats()
        self.assertEqual({k: found[k] for k in ("received", "delivered", "refused", "dropped",
                                                "filtered", "pending", "pending_bytes")},
                         {"received": 2, "delivered": 0, "refused": 0, "dropped": 0, "filtered": 1,
                          "pending": 2, "pending_bytes": 8})
        self.assertEqual(found["source"], {
            "url": pubsub.url("/sub"), "connected": True, "paused": False, "reconnects": 0,
            "missed": 0, "position": 3})
        good, bad = found["destinations"]
        self.assertEqual(good["endpoint"], "POST " + queue.url("/put"))
        self.assertEqual([good[k] for k in ("circuit", "delivered", "lag", "last_error")],
                         ["closed", 2, 0, None])
        self.assertEqual(bad["endpoint"], "POST http://127.0.0.1:%d/down" % down)
        self.assertEqual([bad[k] for k in ("delivered", "lag", "resent")], [0, 2, 0])
        self.assertIn(bad["circuit"], ("open", "half-open"))
        self.assertIn("/down", bad["last_error"])
        text = get(bridge.url("/stats")).text
        self.assertIn("received:2\ndelivered:0\n", text)
        metrics = get(bridge.url("/metrics")).text
        self.assertIn("\nrivulet_bridge_filtered_total 1\n", metrics)
        self.assertRegex(metrics, r'rivulet_bridge_destination_lag\{destination="1",[^}]*\} 2\n')
        self.assertEqual(get(bridge.url("/ping")).text, "OK")
        bridge.stop(expected=1)

    def test_a_dry_run_prints_requests_and_touches_nothing(self):
        pubsub = self.pubsub()
        bridge = self.bridge(pubsub, "--dry-run", "--batch=10", "--offset-file=" + self.path("offsets"),
                             "--spool-path=" + self.path("spool"),
                             "--destination-post-url=http://127.0.0.1:1/mput",
                             "--destination-get-url=http://127.0.0.1:1/put?data=%s")
        self.publish(pubsub, [b"a b", b"c"])
        wait_until(lambda: bridge.stdout().count("\n") >= 3, 20)
        bridge.stop()
        lines = sorted(bridge.stdout().splitlines())
        self.assertEqual(lines[:2], ["GET http://127.0.0.1:1/put?data=a%20b",
                                     "GET http://127.0.0.1:1/put?data=c"])
        self.assertRegex(lines[2], r"^POST http://127\.0\.0\.1:1/mput \d messages, \d bytes$")
        self.assertEqual(summary(bridge), (2, 2, 0, 0))
        self.assertEqual(os.listdir(self.folder), [])


class Trust(RealCase):
    """https destinations with a certificate of our own."""


    def certificate(self):
        key, certificate = self.path("key.pem"), self.path("ca.pem")
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate,
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], capture_output=True, check=False)
        if made.returncode != 0:
            self.skipTest("openssl cannot make a certificate")
        return key, certificate

    def test_a_certificate_must_be_trusted(self):
        key, certificate = self.certificate()
        pubsub = self.pubsub()
        with Sink() as sink:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            # Shaking hands in accept() would let one client stop the others; here there is one.
            sink.server.socket = context.wrap_socket(sink.server.socket, server_side=True)
            url = "--destination-post-url=https://127.0.0.1:%d/put" % sink.port
            self.publish(pubsub, [b"secret"])
            stranger = self.bridge(pubsub, url, "--drain-timeout=10ms")
            stranger.wait_for_log("certificate")
            stranger.stop(expected=1)
            self.assertEqual(sink.requests, [])
            friend = self.bridge(pubsub, url, "--ca-file=" + certificate)
            wait_until(lambda: len(sink.requests) == 1, 20)
            friend.stop()
            self.assertEqual(sink.requests[0].body, b"secret")


if __name__ == "__main__":
    unittest.main()
