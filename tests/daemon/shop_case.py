"""What tests of the shop share: its programs, and what a front page shows."""

import os
import re
import unittest

from harness import ROOT, Daemon

EXAMPLES_DIR = os.path.abspath(
    os.environ.get("RIVULET_EXAMPLES_DIR", os.path.join(ROOT, "build/release/examples")))


def example(name):
    path = os.path.join(EXAMPLES_DIR, "shop", name)
    if not os.path.exists(path):
        raise unittest.SkipTest("%s is not built" % path)
    return path


def server(name, *args):
    return Daemon(name, "--port=0", *args, listens=True)


def shop_daemon(*args):
    return server(example("shop"), *args)


def featured(answer):
    """The item that a front page features."""
    return re.search(r'<section id="featured" data-item="([^"]*)"', answer.text).group(1)
