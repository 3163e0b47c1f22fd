"""A WebSocket client that may break every rule of RFC 6455: frames are made by hand.

    with RawWebSocket(daemon.port, "/sub") as ws:
        ws.send(TEXT, b"hello")              # one masked, final frame
        ws.send(TEXT, b"hel", fin=False)     # or any other
        opcode, payload = ws.read_message()
"""

import base64
import hashlib
import os
import struct

from harness import Connection

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(opcode, payload=b"", fin=True, mask=True, reserved=0):
    """The bytes of a frame (RFC 6455 5.2), whatever they say."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 65536:
        head += struct.pack("!BH", bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", bit | 127, len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    stream = (key * (len(payload) // 4 + 1))[:len(payload)]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return head + key + masked.to_bytes(len(payload), "big")


def close_payload(code, reason=b""):
    return struct.pack("!H", code) + reason


def handshake(target="/sub", **replaced):
    """The request of a handshake; fields by name with _ for -, None leaves one out."""
    fields = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
              "Sec-WebSocket-Key": KEY.decode(), "Sec-WebSocket-Version": "13"}
    for name, value in replaced.items():
        fields[name.replace("_", "-")] = value
    lines = ["GET %s HTTP/1.1" % target]
    lines += ["%s: %s" % pair for pair in fields.items() if pair[1] is not None]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


class RawWebSocket(Connection):
    def __init__(self, port, target="/sub", timeout=10.0, **fields):
        super().__init__(port, timeout)
        Connection.send(self, handshake(target, **fields))
        self.head = self.read_head()
        if self.head.status != 101:
            raise AssertionError("no handshake: %r %r" % (self.head, self.buffer[:300]))
        accept = base64.b64encode(hashlib.sha1(KEY + MAGIC).digest()).decode()
        if self.head.header("Sec-WebSocket-Accept") != accept:
            raise AssertionError("a wrong Sec-WebSocket-Accept")

    def send_raw(self, data):
        Connection.send(self, data)

    def send(self, opcode, payload=b"", **options):
        self.send_raw(frame(opcode, payload, **options))

    def read_frame(self):
        """(fin, opcode, payload) of the next frame, which must not be masked."""
        first, second = self.read_exactly(2)
        if second & 0x80 or first & 0x70:
            raise AssertionError("a server's frame is masked or has reserved bits: %02x %02x" % (first, second))
        size = second
        if size == 126:
            size, = struct.unpack("!H", self.read_exactly(2))
        elif size == 127:
            size, = struct.unpack("!Q", self.read_exactly(8))
        return bool(first & 0x80), first & 15, self.read_exactly(size)

    def read_message(self):
        """(opcode, payload) of the next frame; ours are never fragmented."""
        fin, opcode, payload = self.read_frame()
        if not fin:
            raise AssertionError("a fragmented frame of the server")
        return opcode, payload

    def read_close(self):
        """The code of the close frame that comes next, and its reason; then the connection ends."""
        opcode, payload = self.read_message()
        if opcode != CLOSE:
            raise AssertionError("opcode %d %r instead of a close" % (opcode, payload[:100]))
        code = struct.unpack("!H", payload[:2])[0] if payload else None
        return code, payload[2:]
