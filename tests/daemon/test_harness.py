"""What the other tests lean on: a port that is theirs, a close that is awaited."""

import contextlib
import socket
import threading
import time
import unittest

from harness import free_port, raw_request


class FreePort(unittest.TestCase):
    def test_it_refuses_and_is_given_to_no_other_and_a_server_takes_it_again_and_again(self):
        port = free_port()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with socket.socket() as other, self.assertRaises(OSError):
            other.bind(("127.0.0.1", port))  # without SO_REUSEADDR, as no server of ours does
        for _ in range(2):
            with socket.create_server(("127.0.0.1", port)) as server:
                with socket.create_connection(("127.0.0.1", port)) as client:
                    accepted, _ = server.accept()
                    accepted.close()
                    self.assertEqual(client.recv(1), b"")


class RawRequest(unittest.TestCase):
    @contextlib.contextmanager
    def slow_to_close(self, answer):
        """The port of a server that answers one connection, and closes it after .3 s."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve():
                connection, _ = server.accept()
                with connection:
                    connection.recv(100)
                    connection.sendall(answer)
                    time.sleep(.3)

            thread = threading.Thread(target=serve)
            thread.start()
            yield server.getsockname()[1]
            thread.join()

    def test_a_close_that_the_answer_promises_is_awaited(self):
        answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        with self.slow_to_close(answer) as port:
            answers = raw_request(port, b"x")
        self.assertEqual((answers.statuses, answers.closed), ([200], True))


if __name__ == "__main__":
    unittest.main()
