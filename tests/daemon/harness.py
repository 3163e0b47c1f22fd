"""What daemon tests import: real processes on free ports, requests to them, a server that records.

    with Daemon("simplequeue", "--max-depth=3") as queue:
        self.assertEqual(get(queue.url("/put?data=a")).status, 200)
        answers = raw_request(queue.port, b"GET /get HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
        self.assertEqual(answers[0].body, b"a")

Leaving the block stops the daemon by SIGTERM and fails unless it exits 0; the error shows what it
wrote to standard error.
"""

from http_requests import (Answers, Connection, Response, framed, get, post, raw_request, request,
                           unframed)
from processes import (BIN_DIR, IS_SANITIZED, PROGRAMS, ROOT, SERVERS, START_TIMEOUT, Daemon, free_port,
                       program_path, run_program, wait_until)
from sink import Sink

__all__ = ["Answers", "BIN_DIR", "Connection", "Daemon", "IS_SANITIZED", "PROGRAMS", "ROOT", "Response",
           "SERVERS", "START_TIMEOUT", "Sink", "framed", "free_port", "get", "post", "program_path",
           "raw_request", "request", "run_program", "unframed", "wait_until"]
