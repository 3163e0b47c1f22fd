"""A task of queuereader as a decorated function; see README.md."""
import json, os, time
class Drop(Exception):
    """Nothing more is done with the message, by any task."""
class Retry(Exception):
    """The task runs again later; with backoff=False the messages behind are not slowed down."""
    def __init__(self, why="asked for", backoff=True):
        super().__init__(why)
        self.backoff = backoff
_tasks, _said, _encode = [], {}, json.JSONEncoder(allow_nan=False).encode
def task(function):
    """Called with each message. Returns None or True: done; False: failed, as by an exception;
    anything else: done, and for --preprocess that is what the tasks shall see."""
    _tasks.append(function)
    return function
def emit(output, message):
    _said.setdefault("emit", {}).setdefault(output, []).append(message)
def count(counter, n=1):
    _said.setdefault("count", {})[counter] = _said.get("count", {}).get(counter, 0) + n
def _answer(message, save, load):
    if save and message == {"_save_": True}: return {"state": save()}
    if load and isinstance(message, dict) and "_load_" in message: load(message["_load_"])
    elif (result := _tasks[-1](message)) is False: raise Retry("returned False")
    elif result is not None and result is not True: _said["data"] = result
    return {"ok": True, **_said}
def run(save=None, load=None):
    """Serves until there are no more messages. With state=yes: load() takes what save() returned."""
    out, rest, flush_at = os.fdopen(os.dup(1), "wb", 1 << 16), b"", 0.0
    os.dup2(2, 1)  # what is printed goes to the log
    while data := os.read(0, 1 << 18):
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            _said.clear()
            try: said = _encode(_answer(json.loads(line), save, load))
            except Drop: said = _encode({"drop": True, **_said})
            except Exception as e:
                said = _encode({"ok": False, "error": f"{type(e).__name__}: {e}".encode(errors="replace").decode(), "backoff": getattr(e, "backoff", True), "count": _said.get("count", {})})
            out.write(said.encode() + b"\n")
            if time.monotonic() > flush_at: out.flush(); flush_at = time.monotonic() + 0.02
        out.flush()  # once for all that were there
