"""What every client under test can be asked, and the answers in one form.

A client is asked with `call(session, verb, arguments)` and gives an Answer; what its watches hear is
gathered in `events`. A client that cannot express something raises NotExpressible.
"""

import collections
import queue
import subprocess
import threading
import time
import urllib.parse

STAT_FIELDS = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner",
               "length", "children", "pzxid")

ERRORS = {0: "ok", -1: "system_error", -2: "runtime_inconsistency", -5: "marshalling_error",
          -6: "unimplemented", -8: "bad_arguments", -101: "no_node", -102: "no_auth",
          -103: "bad_version", -108: "no_children_for_ephemerals", -110: "node_exists",
          -111: "not_empty", -112: "session_expired", -114: "invalid_acl", -115: "auth_failed",
          -118: "session_moved", -121: "no_watcher", -123: "reconfig_disabled",
          -4: "connection_loss"}

EVENTS = {1: "created", 2: "deleted", 3: "data", 4: "children"}


class NotExpressible(Exception):
    pass


class Answer:
    """status: "ok", an error's name, or "cut" when the connection ended instead of an answer."""

    def __init__(self, status, path=None, data=None, stat=None, names=None, acl=None, results=None,
                 number=None):
        self.status, self.path, self.data, self.stat = status, path, data, stat
        self.names, self.acl, self.results, self.number = names, acl, results, number
        self.session = None

    def __str__(self):
        parts = [self.status]
        if self.path is not None:
            parts.append(self.path)
        if self.data is not None:
            parts.append(repr(self.data))
        if self.names is not None:
            parts.append("[" + " ".join(sorted(self.names)) + "]")
        if self.acl is not None:
            parts.append(" ".join("%s:%s:%d" % (s, i, p) for p, s, i in self.acl))
        if self.number is not None:
            parts.append(str(self.number))
        if self.results is not None:
            parts.append("(" + ", ".join(map(str, self.results)) + ")")
        if self.stat is not None:
            parts.append(" ".join("%s=%d" % (f, self.stat[f]) for f in STAT_FIELDS))
        return " ".join(parts)


def stat_of(numbers):
    return dict(zip(STAT_FIELDS, numbers))


class Events:
    """What the watches of each session have heard, in order."""

    def __init__(self):
        self.lock = threading.Condition()
        self.heard = collections.defaultdict(collections.deque)

    def put(self, session, kind, path):
        with self.lock:
            self.heard[session].append((kind, path))
            self.lock.notify_all()

    def take(self, session, timeout):
        deadline = time.monotonic() + timeout
        with self.lock:
            while not self.heard[session]:
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self.lock.wait(left)
            return self.heard[session].popleft()

    def clear(self):
        with self.lock:
            self.heard.clear()


def quote(value):
    if isinstance(value, bytes):
        return urllib.parse.quote_from_bytes(value, safe="/")
    return urllib.parse.quote(str(value), safe="/")


WITH_PATH = {"create", "create1", "delete", "set", "get", "exists", "children", "children1",
             "getacl", "setacl", "addwatch", "removewatch", "check", "allchildren"}


def is_plain_path(path, is_prefix=False):
    if path == "/":
        return True
    names = path.split("/")
    if is_prefix:
        names[-1] += "x"
    return path.startswith("/") and all(name not in ("", ".", "..") for name in names[1:]) \
        and all(ord(c) <= 0xffff for c in path)


def acl_text(entries):
    return " ".join("%d,%s,%s" % (p, s, urllib.parse.quote(i, safe="")) for p, s, i in entries)


def flat(value):
    """An argument as the fields it is sent as: a list of operations becomes one for each."""
    if isinstance(value, bool):
        return [str(int(value))]
    if not isinstance(value, list):
        return [value]
    if value and isinstance(value[0][1], list):
        fields = []
        for name, args in value:
            fields.append("\t".join(quote(p) for p in [name] + [x for a in args
                                                                for x in flat(a)]))
        return fields
    return [acl_text(value)]


class DriverClient:
    """A client in another process, which reads one command a line and writes one answer a line.

    command: verb TAB session TAB argument...        every field percent-encoded
    answer:  "=" TAB status number TAB key=value...   or "na"
    event:   "!" TAB session TAB type number TAB path, at any time; once, however many of the
             session's watches a library calls for it
    """

    def __init__(self, name, command, port):
        self.name = name
        self.events = Events()
        self.answers = queue.Queue()
        self.sessions = {}
        # Libraries refuse or mend odd paths themselves; ours sends what it is given.
        self.any_path = name == "muster"
        self.tells_all = name == "muster"
        self.process = subprocess.Popen(command + ["127.0.0.1:%d" % port], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1,
                                        # What libraries log; ours must not be silenced.
                                        stderr=None if name == "muster" else subprocess.DEVNULL)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            fields = [urllib.parse.unquote_to_bytes(f) for f in line.rstrip("\n").split("\t")]
            if fields[0] == b"!":
                event = (fields[1].decode(), EVENTS.get(int(fields[2]), fields[2].decode()),
                         fields[3].decode())
                self.events.put(*event)
            else:
                self.answers.put(fields)
        self.answers.put(None)

    def open(self, name, timeout=4000, like=None, password=None, zxid=None):
        if password is not None or zxid is not None:
            raise NotExpressible()
        answer = self.call(name, "open", [timeout, like or ""])
        if answer.status == "ok":
            self.sessions[name] = answer.session
        return answer

    def session_id(self, name):
        return self.sessions.get(name)

    def call(self, session, verb, args):
        if not self.any_path:
            self._want_plain(verb, args)
        line = "\t".join(quote(part) for part in [verb, session] + [p for a in args
                                                                     for p in flat(a)])
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            fields = self.answers.get(timeout=30)
        except (BrokenPipeError, queue.Empty):
            fields = None
        if fields is None:
            raise RuntimeError(f"the {self.name} client ended or hung in {verb}")
        if fields[0] == b"na":
            raise NotExpressible()
        return self._answer(fields[1:])

    @staticmethod
    def _want_plain(verb, args):
        if verb == "multi" and not args[0]:
            raise NotExpressible()
        for name, arguments in args[0] if verb == "multi" else [(verb, args)]:
            if name in WITH_PATH and not is_plain_path(arguments[0], name.startswith("create")):
                raise NotExpressible()

    @staticmethod
    def _answer(fields):
        code = int(fields[0])
        answer = Answer(ERRORS.get(code, "error %d" % code))
        for field in fields[1:]:
            key, _, value = field.partition(b"=")
            if key == b"path":
                answer.path = value.decode()
            elif key == b"data":
                answer.data = value
            elif key == b"stat":
                answer.stat = stat_of([int(n) for n in value.split(b",")])
            elif key == b"names":
                answer.names = [urllib.parse.unquote(n) for n in value.decode().split(",") if n]
            elif key == b"session":
                answer.session = int(value)
            elif key == b"number":
                answer.number = int(value)
            elif key == b"acl":
                answer.acl = [(int(p), s, urllib.parse.unquote(i)) for p, s, i in
                              (e.split(",") for e in value.decode().split(" ") if e)]
            elif key == b"result":
                part = [urllib.parse.unquote_to_bytes(f) for f in value.split(b"\t")]
                answer.results = (answer.results or []) + [DriverClient._answer(part)]
            elif key == b"empty":
                answer.results = []
        return answer

    def stop(self):
        try:
            self.process.stdin.close()
            self.process.wait(15)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
