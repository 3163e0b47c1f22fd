"""A recording HTTP server: what bridges and other clients of the programs are pointed at."""

import collections
import http.server
import threading


class Sink:
    """A small HTTP server in this process that records what it is asked: for bridges and clients.

    `answer(method, target, body) -> status`, (status, body) or (status, body, {header: value})
    decides; default 200, empty.
    .requests: list of Request(method, target, headers, body) in the order they came.
    """

    Request = collections.namedtuple("Request", "method target headers body")

    def __init__(self, answer=None, port=0):
        sink = self
        self.requests = []
        self.lock = threading.Lock()
        self.answer = answer or (lambda method, target, body: 200)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with sink.lock:
                    sink.requests.append(
                        Sink.Request(self.command, self.path, dict(self.headers), body))
                answer = sink.answer(self.command, self.path, body)
                status, text, *more = answer if isinstance(answer, tuple) else (answer, b"")
                self.send_response(status)
                for name, value in (more[0] if more else {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_HEAD = handle_any

            def log_message(self, *unused):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *unused):
                pass  # a client that went away

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def url(self, path=""):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
