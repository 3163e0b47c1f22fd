"""Tests that hold for every HTTP server of ours."""

# Where a daemon answers GET, and what the hostile cases are sent to.
PATHS = {"simplequeue": "/get", "pubsub": "/stats"}


def each_server(test):
    """Runs the test against both servers."""
    def run(self):
        for name, path in PATHS.items():
            with self.subTest(daemon=name):
                test(self, name, path)
    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run
