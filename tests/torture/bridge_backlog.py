"""What waits in a bridge, while its destination is slow or down and its own disk is full: nothing is
lost, nothing doubled, and nobody else waits.

Each is a function of a seed and of how much is done, and returns a Found (bridge_rig.py).
"""

import os
import time

from bridge_faults import BATCH, end_of_run
from bridge_rig import Bridge, Found, Numbers, Publisher, Queue, Source, judge
from history import make_random
from programs import folder
from proxy import Action, RequestProxy
from shim import Fault

from harness import wait_until


def back_pressure(seed, count, slow=0.005, spooled=False):
    """A destination that is slower than the source: the bridge reads no more than it may hold, and
    the source kicks it for that, or has it wait; with a spool, that is soon at its bound."""
    found = Found("back pressure" + (", spool" if spooled else ""), seed)
    numbers = Numbers(seed, most=2003)
    with folder() as base:
        source, queue = Source(base, "--max-pending=256KiB", sync="none"), Queue(base, sync="none")
        source.start()
        queue.start()
        with RequestProxy(queue.port, lambda request: Action("delay", seconds=slow), seed) as before:
            bridge = Bridge([source.url()], [before.url("/mput")], "--batch=%d" % BATCH,
                            *(["--spool-path=" + os.path.join(base, "spool"), "--spool-max-bytes=1MiB"]
                              if spooled else ["--max-pending-bytes=256KiB"]))
            bridge.start()
            publisher = Publisher(source, numbers, count, at_a_time=200)
            publisher.start()
            sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
            judge(found, sent, queue, 0, in_order=0)
        queue.kill()
        source.kill()
    return found


def disk_full(seed, count, full=1.0, heals=3):
    """The spool's disk is full for a time, several times, while the destination is down."""
    random = make_random("disk full", seed)
    found = Found("spool's disk full", seed)
    numbers = Numbers(seed)
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        spool = os.path.join(base, "spool")
        os.mkdir(spool)
        gate = os.path.join(base, "full")
        fault = Fault(spool, op=random.choice(("write", "write,allocate,create")), nth=1,
                      action="ENOSPC", times=0, gate=gate, hit=os.path.join(base, "hit"))
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH, "--spool-path=" + spool,
                        "--spool-sync=" + random.choice(("always", "none", "50ms")),
                        "--http-address=127.0.0.1:0", env=fault.env)
        bridge.start()  # and has begun: a full disk is no place to start on
        publisher = Publisher(source, numbers, count, at_a_time=100,
                              pause=100 / count * full * 2 * heals)
        publisher.start()
        for number in range(heals):
            time.sleep(full * random.uniform(0.2, 0.5))
            open(gate, "w").close()
            time.sleep(full * random.uniform(0.5, 1.0))
            if number == heals - 1:
                queue.start()  # what it has is delivered while the disk is full
                time.sleep(full * 0.3)
            os.unlink(gate)
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count)
        found.note("the disk was full %d times, first at %s" % (heals, fault.hit()))
        if not fault.hit():
            found.wrong("test", "nothing was written while the disk was full")
        judge(found, sent, queue, 0, in_order=0)
        queue.kill()
        source.kill()
    return found


def one_down(seed, count, down=2.0):
    """Two destinations, one of them down: it delays the other by nothing, and catches up."""
    found = Found("one of two down", seed)
    numbers = Numbers(seed)
    with folder() as base:
        source = Source(base, sync="none")
        well, ill = Queue(base, sync="none"), Queue(base, name="ill", sync="none")
        source.start()
        well.start()
        bridge = Bridge([source.url()], [well.url(), ill.url()], "--batch=%d" % BATCH,
                        "--spool-path=" + os.path.join(base, "spool"), "--http-address=127.0.0.1:0")
        bridge.start()
        publisher = Publisher(source, numbers, count, at_a_time=100, pause=down * 100 / count)
        publisher.start()
        most_behind = 0
        while publisher.is_alive():
            before = publisher.acknowledged
            time.sleep(0.1)
            most_behind = max(most_behind, before - well.depth())
        # 0.1 s is more than a message needs when nothing is in its way; one sample may be unlucky
        # on a busy machine, but what waited for the other destination would be all of them.
        well.take_until(numbers, count, bridge, quiet=5.0)
        arrived = len(set(well.arrived))
        if arrived < count:
            found.wrong("delayed", "%d of %d at the destination that is well" % (arrived, count))
        lags = sorted(each["lag"] for each in bridge.stats()["destinations"])
        found.note("lags %s" % lags)
        if lags != [0, count]:
            found.wrong("lag", "%s, where one has all of %d and one nothing" % (lags, count))
        ill.start()
        sent = end_of_run(found, numbers, source, [well, ill], bridge, publisher, count)
        found.note("at most %d behind" % most_behind)
        judge(found, sent, well, 0, in_order=0)
        judge(found, sent, ill, 0, in_order=0)
        for queue in (well, ill):
            queue.kill()
        source.kill()
    return found


def drop_oldest(seed, count):
    """A spool that may drop: what is missing is what it counted, and the oldest."""
    found = Found("spool drops", seed)
    numbers = Numbers(seed, most=2003)
    with folder() as base:
        source, queue = Source(base, sync="none"), Queue(base, sync="none")
        source.start()
        bridge = Bridge([source.url()], [queue.url()], "--batch=%d" % BATCH,
                        "--spool-path=" + os.path.join(base, "spool"), "--spool-max-bytes=1MiB",
                        "--spool-full=drop-oldest", "--http-address=127.0.0.1:0")
        bridge.start()
        publisher = Publisher(source, numbers, count, at_a_time=200)
        publisher.start()
        publisher.join(60)
        wait_until(lambda: bridge.stats()["received"] == count, 30, "all received")
        queue.start()
        wait_until(lambda: bridge.stats()["pending"] == 0, 30, "all delivered that is left")
        stats = bridge.stats()
        dropped = stats["dropped"]
        sent = end_of_run(found, numbers, source, [queue], bridge, publisher, count - dropped)
        found.note("%d dropped" % dropped)
        if dropped == 0 or stats["delivered"] + dropped != count:
            found.wrong("stats", "%d delivered and %d dropped of %d" % (stats["delivered"], dropped, count))
        judge(found, sent, queue, 0, without=range(dropped), in_order=0)
        queue.kill()
        source.kill()
    return found
