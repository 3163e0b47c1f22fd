"""What a client of a queue does, over HTTP to simplequeue, or in Redis lists to calibrate the tests.

    put(queue, bodies, delay, key, ttl)   one or many, all or nothing
    lease(queue, items, seconds)          [(token, attempts, message id, body)]
    finish(tokens)                        the tokens that no longer held; so requeue, touch and bury
    take(queue, items)                    the bodies, with no lease

Refused: the answer was an error, and nothing is promised. Gone: no answer, so nobody knows.
"""

import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "daemon"))

from harness import Connection  # noqa: E402


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__("%s %r" % (status, text))
        self.status = status


class Gone(Exception):
    pass


class Silent(Exception):
    """No answer within the time that any has."""


class Counting(Connection):
    """Knows whether the last answer has begun."""

    begun = False

    def _fill(self):
        super()._fill()
        self.begun = True


def milliseconds(seconds):
    return "%dms" % round(seconds * 1000)


class HttpSession:
    counts_attempts = True
    keeps_order = True
    ANSWER_SECONDS = 20.0

    def __init__(self, port):
        self.half_answers = []
        try:
            self.connection = Counting(port, timeout=self.ANSWER_SECONDS)
        except OSError as error:
            raise Gone(str(error)) from None

    def close(self):
        self.connection.close()

    def ask(self, method, target, body=None):
        self.connection.begun = False
        try:
            answer = self.connection.request(method, target, body)
        except TimeoutError:
            raise Silent("%s %s" % (method, target)) from None
        except (EOFError, OSError) as error:
            if self.connection.begun:
                self.half_answers.append("%s %s: %s" % (method, target, error))
            raise Gone(str(error)) from None
        if answer.status >= 300:
            raise Refused(answer.status, answer.body[:200])
        return answer

    def put(self, queue, bodies, delay=0.0, key=None, ttl=0.0):
        query = ["queue=" + queue]
        if delay:
            query.append("delay=" + milliseconds(delay))
        if ttl:
            query.append("ttl=" + milliseconds(ttl))
        if key:
            query.append("key=" + key)
        if len(bodies) == 1:
            answer = self.ask("POST", "/put?" + "&".join(query), bodies[0])
            return answer.header("X-Message-Id")
        query.append("format=framed")
        self.ask("POST", "/mput?" + "&".join(query),
                 b"".join(b"%d\n%s\n" % (len(body), body) for body in bodies))
        return None

    def lease(self, queue, items, seconds, wait=0.0):
        more = "&queue=" + queue
        if wait:
            more += "&wait=" + milliseconds(wait)
        if items == 1:
            answer = self.ask("GET", "/get?lease=%s%s" % (milliseconds(seconds), more))
            if answer.status == 204:
                return []
            receipt = answer.header("X-Receipt")
            return [(receipt, int(answer.header("X-Attempts")), self.ident(receipt), answer.body)]
        answer = self.ask("GET", "/mget?items=%d&lease=%s&format=framed%s" % (
            items, milliseconds(seconds), more))
        return list(self.frames(answer.body))

    @staticmethod
    def ident(receipt):
        """The receipt's message, QUEUE-ID of QUEUE-ID-LEASE-EPOCH: what clients need not know."""
        return "-".join(receipt.split("-")[:2])

    def frames(self, data):
        at = 0
        while at < len(data):
            end = data.index(b"\n", at)
            receipt, attempts, size = data[at:end].decode().split(" ")
            body = data[end + 1:end + 1 + int(size)]
            at = end + 2 + int(size)
            if data[at - 1:at] != b"\n":
                raise AssertionError("a frame without its end at %d" % at)
            yield receipt, int(attempts), self.ident(receipt), body

    def tell(self, verb, tokens, more=""):
        answer = self.ask("POST", "/%s%s" % (verb, more), "\n".join(tokens).encode())
        missed = answer.text.split("\n")[1:]
        return [token for token in missed if token]

    def finish(self, tokens):
        return self.tell("finish", tokens)

    def requeue(self, tokens, delay=0.0):
        return self.tell("requeue", tokens, "?delay=" + milliseconds(delay) if delay else "")

    def replace(self, token, body):
        """Gives one back with a body that is sent anew."""
        return self.tell("requeue", [token], "?data=" + urllib.parse.quote_from_bytes(body))

    def touch(self, tokens, seconds):
        return self.tell("touch", tokens, "?lease=" + milliseconds(seconds))

    def bury(self, tokens):
        return self.tell("bury", tokens)

    def take(self, queue, items):
        if items == 1:
            body = self.ask("GET", "/get?queue=" + queue).body
            return [body] if body else []
        data = self.ask("GET", "/mget?items=%d&format=framed&queue=%s" % (items, queue)).body
        bodies = []
        while data:
            size, _, data = data.partition(b"\n")
            bodies.append(data[:int(size)])
            data = data[int(size) + 1:]
        return bodies


class RedisSession:
    """A queue as people build it of two lists: `ready`, and `taken` for what is under work."""

    counts_attempts = False
    keeps_order = False
    half_answers = ()

    def __init__(self, port):
        try:
            self.connection = Connection(port, timeout=HttpSession.ANSWER_SECONDS)
        except OSError as error:
            raise Gone(str(error)) from None

    def close(self):
        self.connection.close()

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.connection.send(b"*%d\r\n" % len(words) + b"".join(
            b"$%d\r\n%s\r\n" % (len(word), word) for word in words))

    def reply(self):
        line = self.connection.read_until(b"\r\n")[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise Refused(rest.split(b" ")[0].decode(), rest)
        if kind == b"$":
            return None if rest == b"-1" else self.connection.read_exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def ask_all(self, commands):
        try:
            for command in commands:
                self.send(*command)
            return [self.reply() for _ in commands]
        except TimeoutError:
            raise Silent(str(commands)[:80]) from None
        except (EOFError, OSError) as error:
            raise Gone(str(error)) from None

    def put(self, queue, bodies, delay=0.0, key=None, ttl=0.0):
        self.ask_all([("RPUSH", "ready", *bodies)])

    def lease(self, queue, items, seconds, wait=0.0):
        found = self.ask_all([("LMOVE", "ready", "taken", "LEFT", "RIGHT")] * items)
        return [(body, None, None, body) for body in found if body is not None]

    def finish(self, tokens):
        replies = self.ask_all([("LREM", "taken", 1, token) for token in tokens])
        return [token for token, reply in zip(tokens, replies) if reply == b"0"]

    def take(self, queue, items):
        return self.ask_all([("LPOP", "ready", items)])[0] or []

    # What is not finished stays in `taken`, and is found there at the end.
    def requeue(self, tokens, delay=0.0):
        return []

    def replace(self, token, body):
        return []

    def touch(self, tokens, seconds):
        return []

    def bury(self, tokens):
        return []

    def everything(self):
        return self.ask_all([("LRANGE", "taken", 0, -1), ("LRANGE", "ready", 0, -1)])
