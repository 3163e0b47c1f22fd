"""What a disk may hold when the power goes: from the log of fault_shim.c every state that a file
system is allowed to leave behind.

The model grants what POSIX does and no more. A write, truncate or allocation of a file is on the
disk once an fsync or fdatasync of that file that began after it has ended; a name that was made,
removed or changed, once an fsync of its folder has. Until then each may be there or not, a write by
sectors of 512 bytes, in any order; a sector that was written several times may hold any of these.
"""

import struct

HEADER = struct.Struct("<IIQQQII")
MAGIC = 0x4c4c4146
WRITE, SYNC_BEGIN, SYNC_END, CREATE, UNLINK, RENAME, TRUNCATE, ALLOCATE = range(1, 9)
SECTOR = 512
# How the pending changes of a state are chosen.
MODES = ("none", "all", "few", "half", "most", "prefix", "hole")


class Record:
    __slots__ = ("kind", "time_ns", "inode", "offset", "name", "data", "end")


def read_log(path):
    """All records; .end is the log's size behind it."""
    with open(path, "rb") as log:
        data = log.read()
    records = []
    at = 0
    while at + HEADER.size <= len(data):
        record = Record()
        (magic, record.kind, record.time_ns, record.inode, record.offset, name_bytes,
         data_bytes) = HEADER.unpack_from(data, at)
        if magic != MAGIC:
            raise AssertionError("%s: no record at %d" % (path, at))
        at += HEADER.size
        record.name = data[at:at + name_bytes].decode()
        at += name_bytes
        record.data = data[at:at + data_bytes]
        at += data_bytes
        if at > len(data):
            break  # the process was killed in the middle of it
        record.end = at
        records.append(record)
    return records


class File:
    """Bytes that are safe, and what was done since, in order."""

    def __init__(self):
        self.safe = bytearray()
        self.pending = []  # (number, kind, offset, data)

    @staticmethod
    def apply(image, kind, offset, data):
        if kind == WRITE:
            if len(image) < offset + len(data):
                image.extend(bytes(offset + len(data) - len(image)))
            image[offset:offset + len(data)] = data
        elif kind == TRUNCATE or len(image) < offset:  # an allocation never shortens
            del image[offset:]
            image.extend(bytes(offset - len(image)))

    def synced(self, before):
        while self.pending and self.pending[0][0] < before:
            self.apply(self.safe, *self.pending.pop(0)[1:])

    def state(self, mode, random):
        pending = self.pending
        if mode == "prefix":
            pending = pending[:random.randint(0, len(pending))]
        image = bytearray(self.safe)
        sizes = [len(image)]
        versions = {}  # sector: what it held, from safe on
        for _, kind, offset, data in pending:
            if kind == WRITE:
                first, last = offset // SECTOR, (offset + max(len(data), 1) - 1) // SECTOR
            else:
                first, last = offset // SECTOR, max(len(image), offset) // SECTOR
            # A long allocation over nothing changes no sector.
            touched = range(first, last + 1) if kind == WRITE or offset < len(image) else ()
            for sector in touched:
                versions.setdefault(sector, [self.sector(image, sector)])
            self.apply(image, kind, offset, data)
            for sector in touched:
                versions[sector].append(self.sector(image, sector))
            sizes.append(len(image))
        if mode in ("all", "prefix"):
            return image
        if mode == "none":
            return bytearray(self.safe)
        sectors = sorted(versions)
        missing = random.choice(sectors) if mode == "hole" and sectors else None
        share = {"few": 0.1, "half": 0.5, "most": 0.9}.get(mode, 1.0)
        for sector in sectors:
            if mode == "hole":
                chosen = versions[sector][0 if sector == missing else -1]
            elif random.random() < share:
                chosen = versions[sector][-1]
            else:
                chosen = random.choice(versions[sector][:-1])
            at = sector * SECTOR
            size = min(SECTOR, len(image) - at)
            if size > 0:
                image[at:at + size] = chosen[:size]
        if mode != "hole" and random.random() < 0.5:
            size = random.choice(sizes)
            del image[size:]
            image.extend(bytes(size - len(image)))
        return image

    @staticmethod
    def sector(image, number):
        return bytes(image[number * SECTOR:(number + 1) * SECTOR]).ljust(SECTOR, b"\0")


class Disk:
    """One folder. apply() the records in order; state() at any time."""

    def __init__(self):
        self.files = {}  # inode: File
        self.names = {}  # name: inode, of what is safe
        self.pending = []  # (number, kind, name, inode or new name)
        self.number = 0
        self.begun = {}  # (inode, token): number of the sync's begin

    def put(self, name, data, inode):
        """A file that is there and safe before anything is applied."""
        self.names[name] = inode
        self.files[inode] = File()
        self.files[inode].safe = bytearray(data)

    def apply(self, record):
        self.number += 1
        kind = record.kind
        if kind in (WRITE, TRUNCATE, ALLOCATE):
            self.file(record.inode).pending.append((self.number, kind, record.offset, record.data))
        elif kind == CREATE:
            self.inode_comes_back(record.inode)
            self.files[record.inode] = File()
            self.pending.append((self.number, kind, record.name, record.inode))
        elif kind == UNLINK:
            self.pending.append((self.number, kind, record.name, record.inode))
        elif kind == RENAME:
            self.pending.append((self.number, kind, record.name, record.data.decode()))
        elif kind == SYNC_BEGIN:
            self.begun[record.inode, record.offset] = self.number
        elif kind == SYNC_END:
            before = self.begun.pop((record.inode, record.offset), 0)
            if record.name == ".":
                while self.pending and self.pending[0][0] < before:
                    self.apply_name(self.names, *self.pending.pop(0)[1:])
            else:
                self.file(record.inode).synced(before)

    def inode_comes_back(self, inode):
        """Its number is given out again only behind the removal of its last name, and the file
        system's own journal keeps that order: no disk has the old name with the new file's bytes."""
        gone = [i for i, (_, kind, _, other) in enumerate(self.pending) if kind == UNLINK and other == inode]
        for pending in self.pending[:gone[-1] + 1 if gone else 0]:
            self.apply_name(self.names, *pending[1:])
        del self.pending[:gone[-1] + 1 if gone else 0]

    def file(self, inode):
        return self.files.setdefault(inode, File())

    @staticmethod
    def apply_name(names, kind, name, other):
        if kind == CREATE:
            names[name] = other
        elif kind == UNLINK:
            names.pop(name, None)
        elif name in names:
            names[other] = names.pop(name)

    def state(self, mode, random):
        """{name: bytes} as a restart may find it."""
        names = dict(self.names)
        keep = {"none": 0.0, "all": 1.0, "few": 0.1, "half": 0.5, "most": 0.9}.get(mode)
        pending = self.pending
        if mode == "prefix":
            pending = pending[:random.randint(0, len(pending))]
        for _, kind, name, other in pending:
            if keep is None or random.random() < keep:
                self.apply_name(names, kind, name, other)
        return {name: bytes(self.file(inode).state(mode, random)) for name, inode in names.items()}
