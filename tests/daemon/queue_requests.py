"""What the tests of simplequeue's leases, polls and durability ask of it."""

import contextlib
import json

from harness import Connection, get, post, wait_until

# A lease that ends while a test looks on, and one that does not.
SHORT = "50ms"
LONG = "10m"


def stats(queue, name="default"):
    return get(queue.url("/stats?format=json&queue=" + name)).json()


def peek(queue, state, items=1000, name="default"):
    text = get(queue.url("/peek?state=%s&items=%d&queue=%s" % (state, items, name))).text
    return [json.loads(line) for line in text.splitlines()]


def put(queue, data, query=""):
    answer = post(queue.url("/put?" + query), data)
    assert answer.status == 200, answer
    return answer


def lease(queue, duration=LONG, query=""):
    """The X-Receipt of the next message."""
    answer = get(queue.url("/get?lease=%s%s" % (duration, query)))
    assert answer.status == 200, answer
    return answer.header("X-Receipt")


def framed_leases(body):
    """(receipt, attempts, body) of each message of a framed /mget?lease."""
    found = []
    while body:
        line, body = body.split(b"\n", 1)
        receipt, attempts, size = line.decode().split(" ")
        size = int(size)
        assert body[size:size + 1] == b"\n", body
        found.append((receipt, int(attempts), body[:size]))
        body = body[size + 1:]
    return found


def changed(receipt, field, value):
    fields = receipt.split("-")
    fields[field] = value
    return "-".join(fields)


@contextlib.contextmanager
def waiting(queue, *targets):
    """Connections on which these were asked, one after the other; each waits for its message."""
    with contextlib.ExitStack() as stack:
        connections = []
        for target in targets:
            connection = stack.enter_context(Connection(queue.port))
            before = stats(queue)["waiting_polls"]
            connection.send(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: h\r\n\r\n")
            wait_until(lambda: stats(queue)["waiting_polls"] == before + 1, what="the long poll")
            connections.append(connection)
        yield connections
