"""Reading what strace saw of a server, and asking it what was durable when.

strace prints in the order of events: a call that another thread's event falls into is printed in two lines. So of two calls it is known
whether one had returned before the other began, and that is all the order there is."""

import re
from dataclasses import dataclass

SYSCALLS = "openat,pwrite64,fsync,fdatasync,ftruncate,rename,unlink,link,close,sendmsg,sendto,recvfrom,recvmsg"
LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)( resumed>|\()(.*)")
CUT = " <unfinished ...>"


def wrapper(output):
    """The command to run a server under."""
    return ["strace", "-f", "-yy", "-s", "20000", "-o", str(output), "-e", f"trace={SYSCALLS}", "-e", "signal=none"]


@dataclass
class Call:
    """One system call: name, arguments as strace prints them, result, and the lines where it began and returned."""

    name: str
    args: str
    result: int
    began: int
    ended: int
    pid: int

    @property
    def ok(self):
        return self.result is not None and self.result >= 0

    @property
    def file(self):
        """The path of the descriptor that is the first argument."""
        found = re.match(r"\d+<(/[^>]*)>", self.args)
        return found and found.group(1)

    @property
    def paths(self):
        """Paths given as strings."""
        return re.findall(r'"(/[^"]*)"', self.args)

    @property
    def peers(self):
        """(our port, the other's) of a socket."""
        found = re.match(r"\d+<TCP:\[[\d.]+:(\d+)->[\d.]+:(\d+)\]>", self.args)
        return found and (int(found.group(1)), int(found.group(2)))


def read(path):
    """All calls that returned, in the order in which they did."""
    calls, open_calls = [], {}
    for at, line in enumerate(path.read_text(errors="replace").splitlines()):
        found = LINE.match(line)
        if not found:
            continue
        pid, name, resumed, rest = int(found.group(1)), found.group(2), found.group(3) != "(", found.group(4)
        began, args = open_calls.pop((pid, name), (at, "")) if resumed else (at, "")
        if rest.endswith(CUT):
            open_calls[pid, name] = began, args + rest.removesuffix(CUT)
            continue
        result = re.search(r"\)\s+= (-?\d+)", rest)
        if result:
            calls.append(Call(name, args + rest[: result.start()], int(result.group(1)), began, at, pid))
    return calls


class File:
    """One file, under whatever name. writes and syncs are calls; dirs: (call that gave it a name, the folder of that name)."""

    def __init__(self):
        self.writes, self.syncs, self.names = [], [], []


class Disk:
    """What the calls made of the disk below `root`: every file that was made, and every sync of a folder."""

    def __init__(self, calls, root):
        self.files, self.by_name, self.folder_syncs = [], {}, {}
        for call in calls:
            if call.ok:
                self._follow(call, str(root))

    def _name(self, path, call, file):
        self.by_name[path] = file
        file.names.append((call, path))

    def _follow(self, call, root):
        if call.name == "openat" and "O_CREAT" in call.args and call.paths and call.paths[-1].startswith(root):
            path = call.paths[-1]
            if path not in self.by_name or "O_EXCL" in call.args:
                self.files.append(File())
                self._name(path, call, self.files[-1])
        elif call.name == "rename" and call.paths[0] in self.by_name:
            self._name(call.paths[1], call, self.by_name.pop(call.paths[0]))
        elif call.name == "pwrite64" and call.file in self.by_name:
            self.by_name[call.file].writes.append(call)
        elif call.name in ("fsync", "fdatasync") and call.file in self.by_name:
            self.by_name[call.file].syncs.append(call)
        elif call.name == "fsync" and call.file:
            self.folder_syncs.setdefault(call.file, []).append(call)

    def folder_synced(self, folder, after, before):
        """Whether a sync of the folder began after that line and returned before that one."""
        return any(sync.began > after and sync.ended < before for sync in self.folder_syncs.get(folder, ()))

    def name_durable(self, call, path, before):
        """Whether the name that a call gave was on disk before that line."""
        return self.folder_synced(path.rsplit("/", 1)[0], call.ended, before)

    @staticmethod
    def content_durable(file, writes, before):
        """Whether all these writes were on disk before that line."""
        after = max(write.ended for write in writes)
        return any(sync.began > after and sync.ended < before for sync in file.syncs)

    def holding(self, text):
        """(file, write) where the text was written to a file, first."""
        for file in self.files:
            for write in file.writes:
                if text in write.args:
                    return file, write
        raise AssertionError(f"{text} was never written")

    def named(self, expression):
        """(call, path, file) of every name that matches, in order."""
        pattern = re.compile(expression)
        return sorted(
            ((call, path, file) for file in self.files for call, path in file.names if pattern.search(path)),
            key=lambda found: found[0].ended,
        )
