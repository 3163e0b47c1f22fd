#!/usr/bin/python3
"""The tasks of the tutorial in Python. Which one runs is the first argument:

    queuereader --task='exec:python3 examples/tutorial/my_tasks.py percent' ...
"""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python_tasks"))
from rivulet_task import Drop, emit, run, task


def percent(message):
    emit("out", "%d percent" % (message["x"] * 100))


def now_and_then(message):
    if random.random() < 0.2:
        raise RuntimeError("by chance")


def between(message):
    if not 0.5 < message["x"] < 1:
        raise Drop


def quarter(message):
    if random.random() >= 0.25:
        raise Drop


random.seed(1)
task(globals()[sys.argv[1]])
run()
