#!/usr/bin/python3
"""A worker for simplequeue in Python's standard library.

    worker.py [--url=http://127.0.0.1:8080] [--queue=default] [--lease=30] [--seconds=0]

Leases one message at a time, works on it, finishes it. Replace work() with your own. While it runs the
lease is prolonged, so that a message is given to another worker only when this one has died. An
exception asks for the message again, later each time; after --max-attempts of the queue it is a
dead letter.
"""

import argparse
import contextlib
import sys
import threading
import time
import urllib.parse
import urllib.request


def work(message, seconds):
    """What is done with a message (bytes). Here: some time passes, and it is printed."""
    time.sleep(seconds)
    print(message.decode("utf-8", "replace"), flush=True)


class Queue:
    def __init__(self, url, name, lease):
        self.url, self.name, self.lease = url.rstrip("/"), name, lease

    def ask(self, path, **parameters):
        query = urllib.parse.urlencode({"queue": self.name, **parameters})
        with urllib.request.urlopen("%s/%s?%s" % (self.url, path, query), timeout=60) as answer:
            return answer.status, answer.headers, answer.read()

    def get(self):
        """(message, receipt, attempts), or None when none came within 20 seconds."""
        status, headers, message = self.ask("get", lease="%gs" % self.lease, wait="20s")
        return None if status == 204 else (message, headers["X-Receipt"], int(headers["X-Attempts"]))

    @contextlib.contextmanager
    def prolonged(self, receipt):
        """Touches the lease until the block ends."""
        done = threading.Event()

        def touch():
            while not done.wait(self.lease / 3):
                with contextlib.suppress(OSError):  # the next one may do better
                    self.ask("touch", receipt=receipt, lease="%gs" % self.lease)

        thread = threading.Thread(target=touch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def serve(queue, seconds):
    leased = queue.get()
    if leased is None:
        return
    message, receipt, attempts = leased
    try:
        with queue.prolonged(receipt):
            work(message, seconds)
    except Exception as error:  # whatever the work does wrong, the message is not lost
        print("attempt %d failed: %s" % (attempts, error), file=sys.stderr)
        queue.ask("requeue", receipt=receipt, delay="%ds" % (10 * attempts))
    else:
        queue.ask("finish", receipt=receipt)


def main():
    options = argparse.ArgumentParser(description="a worker for simplequeue")
    options.add_argument("--url", default="http://127.0.0.1:8080")
    options.add_argument("--queue", default="default")
    options.add_argument("--lease", type=float, default=30, help="seconds (default 30)")
    options.add_argument("--seconds", type=float, default=0, help="that the work takes (default 0)")
    given = options.parse_args()
    queue = Queue(given.url, given.queue, given.lease)
    while True:
        try:
            serve(queue, given.seconds)
        except OSError as error:  # the queue is away, or refuses: it will be back
            print("%s: %s" % (given.url, error), file=sys.stderr)
            time.sleep(1)
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
