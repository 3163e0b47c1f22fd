"""What a person would write instead of queuereader, each in Python's standard library.

    reader_loops.py task                 a program for exec: and for a pipe: a JSON message a line, an answer a line
    reader_loops.py redis PORT N         BLPOP of N messages, mean and deviation of `number`
    reader_loops.py http PORT N ITEMS    leases ITEMS at a time from a simplequeue, the same, finishes them
    reader_loops.py fill-redis PORT N    puts N messages into the list

The task is the one of queuereader's `moments` without the third and fourth: count, mean, sum of squares (Welford).
"""

import http.client
import json
import socket
import sys


class Moments:
    def __init__(self):
        self.count, self.mean, self.m2 = 0, 0.0, 0.0

    def update(self, x):
        self.count += 1
        d = x - self.mean
        self.mean += d / self.count
        self.m2 += d * (x - self.mean)


def message(i):
    """100 bytes of JSON."""
    text = '{"id":%d,"number":%.6f,"pad":"' % (i, (i * 2654435761 % 2**32) / 2**32)
    return (text + "x" * (98 - len(text)) + '"}').encode()


def task():
    moments = Moments()
    write, flush = sys.stdout.write, sys.stdout.flush
    for line in sys.stdin:
        moments.update(json.loads(line)["number"])
        write('{"ok":true}\n')
        flush()


class Redis:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb", buffering=1 << 16)

    def send(self, *words):
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def receive(self):
        line = self.file.readline()
        kind, value = line[:1], line[1:-2]
        if kind == b"$":
            body = self.file.read(int(value) + 2)
            return body[:-2]
        if kind == b"*":
            return [self.receive() for _ in range(int(value))]
        return value


def fill_redis(port, total):
    redis = Redis(port)
    for begin in range(0, total, 1000):
        redis.send(b"RPUSH", b"queue", *[message(i) for i in range(begin, min(begin + 1000, total))])
        redis.receive()


def redis(port, total):
    client, moments = Redis(port), Moments()
    for _ in range(total):
        client.send(b"BLPOP", b"queue", b"0")
        moments.update(json.loads(client.receive()[1])["number"])
    return moments


def over_http(port, total, items):
    connection, moments = http.client.HTTPConnection("127.0.0.1", port), Moments()
    while moments.count < total:
        connection.request("GET", f"/mget?items={items}&lease=30s&format=framed&wait=5s")
        answer = connection.getresponse().read()
        at, receipts = 0, []
        while at < len(answer):
            end = answer.index(b"\n", at)
            receipt, _, size = answer[at:end].split()
            moments.update(json.loads(answer[end + 1:end + 1 + int(size)])["number"])
            receipts.append(receipt)
            at = end + int(size) + 2
        connection.request("POST", "/finish", b"\n".join(receipts))
        connection.getresponse().read()
    return moments


def main():
    what, *numbers = sys.argv[1:]
    done = {"task": task, "redis": redis, "http": over_http, "fill-redis": fill_redis}[what](*map(int, numbers))
    if done:
        print(json.dumps({"count": done.count, "mean": done.mean}))


if __name__ == "__main__":
    main()
