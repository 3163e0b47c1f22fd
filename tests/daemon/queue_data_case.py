"""What the tests of simplequeue with --data-path share."""

from data_path_case import DataPathCase
from harness import get, post


class QueueDataCase(DataPathCase):
    PROGRAM = "simplequeue"

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer.text)
        return answer

    def put(self, queue, body, query=""):
        return int(self.ok(post(queue.url("/put?" + query), body)).header("X-Message-Id"))

    def lease(self, queue, query="lease=60s"):
        answer = self.ok(get(queue.url("/get?" + query)))
        return answer.header("X-Receipt"), answer.body
