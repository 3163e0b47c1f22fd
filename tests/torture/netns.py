"""T7: a bridge in a network namespace of its own, behind a cable that is pulled for seconds inside
requests, answers and the source's stream.

    tests/torture/netns.py SEED CUTS SHORTEST LONGEST

The programs at both ends of the bridge, and this test, are in a first new namespace, and all of it in
a user namespace where that is allowed: nothing of the machine's network is touched, and no
privilege is needed. Namespaces end with their last process. `partitions()` runs this file there and
reads what it found; None where the machine allows no namespaces.
"""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVERS = "10.99.0.1"  # on the loopback of the first namespace: there when the cable is not
CLONE_NEWNET = 0x40000000
BATCH = 100
ENVIRONMENT = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}


def enter_command():
    """What a command is to be put behind, or None."""
    for command in (["unshare", "-rn"], ["unshare", "-n"]):
        try:
            probe = "tc qdisc && ip link set lo up && ip link add v0 type veth peer name v1"
            run = subprocess.run([*command, "sh", "-c", probe], capture_output=True, timeout=20,
                                 env=ENVIRONMENT)
            if run.returncode == 0:
                return command
        except (OSError, subprocess.TimeoutExpired):
            pass
    return None


def partitions(seed, cuts, shortest, longest):
    from bridge_rig import Found
    command = enter_command()
    if not command:
        return None
    run = subprocess.run([*command, sys.executable, "-B", os.path.abspath(__file__), str(seed),
                          str(cuts), str(shortest), str(longest)],
                         capture_output=True, text=True, env=ENVIRONMENT,
                         timeout=120 + cuts * (longest + 10))
    found = Found("partitions", seed)
    try:
        found.__dict__.update(json.loads(run.stdout.strip().rsplit("\n", 1)[-1]))
    except ValueError:
        found.wrong("test", "exit status %s: %s" % (run.returncode, run.stderr[-2000:]))
    return found


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Cable:
    """From this namespace to another one, that a thread can enter."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE)
        self.holder.stdin.write(b"there\n")
        self.holder.stdin.flush()
        self.holder.stdout.readline()  # cat runs: in its own namespace
        self.here = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.there = os.open("/proc/%d/ns/net" % self.holder.pid, os.O_RDONLY)
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.downs = 0
        ip("link", "set", "lo", "up")
        ip("addr", "add", SERVERS + "/32", "dev", "lo")
        ip("link", "add", "v0", "type", "veth", "peer", "name", "v1")
        ip("link", "set", "v1", "netns", str(self.holder.pid))
        ip("addr", "add", "10.77.0.1/24", "dev", "v0")
        ip("link", "set", "v0", "up")
        self.in_there(ip, "link", "set", "lo", "up")
        self.in_there(ip, "addr", "add", "10.77.0.2/24", "dev", "v1")
        self.up("v1")
        # Slow, so that the cable is often pulled in the middle of something.
        for place, name in ((self.in_there, "v1"), (lambda call, *words: call(*words), "v0")):
            place(subprocess.run, ["tc", "qdisc", "add", "dev", name, "root", "tbf", "rate", "40mbit",
                                   "burst", "32kb", "latency", "100ms"])

    def in_there(self, call, *words, **options):
        """Processes and sockets that the call makes are of the other namespace."""
        self.set(self.there)
        try:
            return call(*words, **options)
        finally:
            self.set(self.here)

    def set(self, namespace):
        if self.libc.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def down(self, end):
        """v0: packets vanish; v1: the bridge is told that there is no network."""
        self.downs += 1
        if end == "v0":
            ip("link", "set", "v0", "down")
        else:
            self.in_there(ip, "link", "set", "v1", "down")

    def up(self, end):
        if end == "v0":
            ip("link", "set", "v0", "up")
        else:
            self.in_there(ip, "link", "set", "v1", "up")
            self.in_there(ip, "route", "replace", SERVERS, "via", "10.77.0.1")


class Puller(threading.Thread):
    """Pulls the cable `cuts` times: at once when the proxy is in the middle of something, or later."""

    def __init__(self, cable, random, cuts, shortest, longest):
        super().__init__(daemon=True)
        self.cable, self.random, self.cuts = cable, random, cuts
        self.shortest, self.longest = shortest, longest
        self.hint = threading.Event()
        self.wants = None

    def run(self):
        for number in range(self.cuts):
            self.wants = ("request", "answer", "whenever")[number % 3]
            self.hint.clear()
            if self.wants == "whenever":
                time.sleep(self.random.uniform(0.0, 0.2))
            else:
                self.hint.wait(2.0)
            end = self.random.choice(("v0", "v0", "v1"))
            self.cable.down(end)
            time.sleep(self.random.uniform(self.shortest, self.longest))
            self.cable.up(end)
            time.sleep(self.random.uniform(0.05, 0.3))
        self.wants = None

    def plan(self, request):
        """Between a request and its answer, or half of it."""
        from proxy import PASS, Action
        if self.wants == "request":
            self.hint.set()
            return Action("delay", seconds=0.02)
        if self.wants == "answer":
            threading.Timer(0.002, self.hint.set).start()
            return Action("stall_answer", part=self.random.random(), seconds=0.1)
        return PASS


def inside(seed, cuts, shortest, longest):
    import bridge_rig
    from bridge_faults import end_of_run
    from history import make_random
    from programs import folder
    from harness import wait_until
    from proxy import RequestProxy

    random = make_random("partition", seed)
    found = bridge_rig.Found("partitions", seed)
    numbers = bridge_rig.Numbers(seed, most=2003)  # requests of 100 KiB: 20 ms and more on this cable
    cable = Cable()
    with folder() as base:
        wide = ("--insecure",)
        source = bridge_rig.Source(base, *wide, address=SERVERS, sync="none")
        queue = bridge_rig.Queue(base, *wide, address=SERVERS, sync="none")
        source.start()
        queue.start()
        puller = Puller(cable, random, cuts, shortest, longest)
        with RequestProxy(queue.port, puller.plan, seed, host=SERVERS, listen=SERVERS) as proxy:
            bridge = bridge_rig.Bridge(
                [source.url()], ["http://%s:%d/mput" % (SERVERS, proxy.port)], "--batch=%d" % BATCH,
                "--http-address=127.0.0.1:0", bridge_rig.Bridge.IMPATIENT)
            cable.in_there(bridge.start)
            publisher = bridge_rig.Publisher(source, numbers, 10**9, at_a_time=50, pause=0.02)
            publisher.start()
            puller.start()
            puller.join()
            publisher.stopping = True
            publisher.join(30)
            count = publisher.acknowledged
            queue.take_until(numbers, count, bridge)
            wait_until(lambda: cable.in_there(bridge.stats)["pending"] == 0, 20, "all done")
            resent = cable.in_there(bridge.stats)["destinations"][0]["resent"]
            sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("%d partitions, %d connections, %d resent" % (cable.downs, proxy.taken, resent))
        bridge_rig.judge(found, sent, queue, resent, in_order=proxy.taken)
        queue.kill()
        source.kill()
    return found


if __name__ == "__main__":
    sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "daemon")]
    result = inside(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
    print(json.dumps(result.__dict__))
