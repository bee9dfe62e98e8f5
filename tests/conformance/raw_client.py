"""The protocol itself, spoken directly: for what no client library lets one say."""

import queue
import socket
import struct
import threading

from clients import ERRORS, EVENTS, Answer, Events, NotExpressible, stat_of

OP = {"create": 1, "delete": 2, "exists": 3, "get": 4, "set": 5, "getacl": 6, "setacl": 7,
      "children1": 8, "sync": 9, "ping": 11, "children": 12, "check": 13, "multi": 14,
      "create2": 15, "reconfig": 16, "checkwatch": 17, "removewatch": 18, "container": 19,
      "ttl": 21, "multiread": 22, "auth": 100, "setwatches": 101, "ephemerals": 103,
      "allchildren": 104, "setwatches2": 105, "addwatch": 106, "whoami": 107, "close": -11}
MODES = {"p": 0, "e": 1, "ps": 2, "es": 3, "c": 4, "t": 5, "ts": 6}
WATCHERS = {"children": 1, "data": 2, "any": 3}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def buffer(self):
        size = self.take("i")
        if size < 0:
            return None
        value = self.data[self.at:self.at + size]
        self.at += size
        return value

    def text(self):
        return (self.buffer() or b"").decode()

    def stat(self):
        return stat_of(self.take("qqqqiiiqiiq"))

    def names(self):
        return [self.text() for _ in range(max(self.take("i"), 0))]

    def acl(self):
        return [(self.take("i"), self.text(), self.text()) for _ in range(max(self.take("i"), 0))]


def buffer(value):
    if value is None:
        return struct.pack(">i", -1)
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(">i", len(value)) + value


def acl_bytes(entries):
    return struct.pack(">i", len(entries)) + b"".join(
        struct.pack(">i", p) + buffer(s) + buffer(i) for p, s, i in entries)


class Link:
    """One connection and the session on it."""

    def __init__(self, port, name, events, session=0, password=b"\0" * 16, timeout=4000, zxid=0):
        self.events, self.name = events, name
        self.xid = 0
        self.last_zxid = zxid
        self.answers = queue.Queue()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frame(struct.pack(">iqiq", 0, zxid, timeout, session) + buffer(password) + b"\0")
        greeting = self._read_frame()
        if greeting is None:
            self.session = None
        else:
            r = Reader(greeting)
            r.take("i")
            self.timeout, self.session, self.password = r.take("i"), r.take("q"), r.buffer()
        threading.Thread(target=self._read, daemon=True).start()

    def frame(self, body):
        self.socket.sendall(struct.pack(">i", len(body)) + body)

    def _read_exactly(self, size):
        data = b""
        while len(data) < size:
            try:
                chunk = self.socket.recv(size - len(data))
            except OSError:
                chunk = b""
            if not chunk:
                return None
            data += chunk
        return data

    def _read_frame(self):
        head = self._read_exactly(4)
        return None if head is None else self._read_exactly(struct.unpack(">i", head)[0])

    def _read(self):
        while (body := self._read_frame()) is not None:
            r = Reader(body)
            xid, zxid, error = r.take("iqi")
            if xid == -1:
                kind, _ = r.take("ii")
                self.events.put(self.name, EVENTS[kind], r.text())
            else:
                self.last_zxid = max(self.last_zxid, zxid)
                self.answers.put((xid, error, r))
        self.answers.put(None)

    def ask(self, op, body=b"", xid=None):
        if xid is None:
            self.xid += 1
            xid = self.xid
        try:
            self.frame(struct.pack(">ii", xid, op) + body)
        except OSError:
            return None
        try:
            answer = self.answers.get(timeout=20)
        except queue.Empty:
            raise RuntimeError("no answer in 20 s") from None
        if answer is None:
            self.answers.put(None)
            return None
        if answer[0] != xid:
            raise RuntimeError(f"answer to {answer[0]} where {xid} was asked")
        return answer

    def drop(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()


class RawClient:
    name = "raw"
    strict = True  # what was heard before an answer is known to have come before it
    tells_all = True

    def __init__(self, port):
        self.port = port
        self.events = Events()
        self.links = {}

    def stop(self):
        for link in self.links.values():
            link.drop()
        self.links.clear()

    # --- sessions ---

    def open(self, name, timeout=4000, like=None, password=None, zxid=0):
        if like is None:
            link = Link(self.port, name, self.events, timeout=timeout, zxid=zxid)
        else:
            old = self.links[like]
            secret = old.password if password is None else password
            link = Link(self.port, name, self.events, old.session, secret, timeout,
                        old.last_zxid)
        self.links[name] = link
        if link.session is None:
            return Answer("cut")
        if link.session == 0:
            return Answer("session_expired")
        return Answer("ok", number=link.timeout)

    def session_id(self, name):
        return self.links[name].session

    def last_zxid(self, name):
        return self.links[name].last_zxid

    def is_cut(self, name, timeout):
        link = self.links[name]
        try:
            answer = link.answers.get(timeout=timeout)
        except queue.Empty:
            return False
        link.answers.put(answer)
        return answer is None

    def call(self, session, verb, args):
        handler = getattr(self, "do_" + verb, None)
        if handler is None:
            raise NotExpressible()
        return handler(self.links[session], *args)

    def _simple(self, link, op, body, fill=None, xid=None):
        got = link.ask(op, body, xid)
        if got is None:
            return Answer("cut")
        _, error, r = got
        answer = Answer(ERRORS.get(error, "error %d" % error))
        if error == 0 and fill is not None:
            fill(answer, r)
        return answer

    def do_drop(self, link):
        link.drop()
        return Answer("ok")

    def do_close(self, link):
        return self._simple(link, OP["close"], b"")

    def do_ping(self, link):
        return self._simple(link, OP["ping"], b"", xid=-2)

    def do_auth(self, link, scheme, credentials):
        return self._simple(link, OP["auth"], struct.pack(">i", 0) + buffer(scheme)
                            + buffer(credentials), xid=-4)

    # --- writes ---

    @staticmethod
    def _create_body(path, data, mode, acl, ttl):
        body = buffer(path) + buffer(data) + acl_bytes(acl) + struct.pack(">i", MODES[mode])
        return body + (struct.pack(">q", ttl) if mode in ("t", "ts") else b"")

    @staticmethod
    def _create_op(mode, plain):
        return OP[{"c": "container", "t": "ttl", "ts": "ttl"}.get(
            mode, "create" if plain else "create2")]

    def do_create(self, link, path, data, mode, acl, ttl):
        def fill(answer, r):
            answer.path, answer.stat = r.text(), r.stat()
        return self._simple(link, self._create_op(mode, False),
                            self._create_body(path, data, mode, acl, ttl), fill)

    def do_create1(self, link, path, data, mode, acl, ttl):
        def fill(answer, r):
            answer.path = r.text()
        return self._simple(link, OP["create"], self._create_body(path, data, mode, acl, ttl),
                            fill)

    def do_delete(self, link, path, version):
        return self._simple(link, OP["delete"], buffer(path) + struct.pack(">i", version))

    @staticmethod
    def _stat(answer, r):
        answer.stat = r.stat()

    def do_set(self, link, path, data, version):
        return self._simple(link, OP["set"], buffer(path) + buffer(data)
                            + struct.pack(">i", version), self._stat)

    def do_setacl(self, link, path, acl, version):
        return self._simple(link, OP["setacl"], buffer(path) + acl_bytes(acl)
                            + struct.pack(">i", version), self._stat)

    def do_reconfig(self, link):
        return self._simple(link, OP["reconfig"], buffer("") * 3 + struct.pack(">q", -1))

    def do_multi(self, link, ops):
        body = b""
        for op, args in ops:
            if op == "create":
                code, part = self._create_op(args[2], True), self._create_body(*args)
            elif op == "delete":
                code, part = OP["delete"], buffer(args[0]) + struct.pack(">i", args[1])
            elif op == "set":
                code = OP["set"]
                part = buffer(args[0]) + buffer(args[1]) + struct.pack(">i", args[2])
            elif op == "check":
                code, part = OP["check"], buffer(args[0]) + struct.pack(">i", args[1])
            elif op in ("get", "children"):
                code = OP["get" if op == "get" else "children1"]
                part = buffer(args[0]) + b"\0"
            else:
                raise NotExpressible()
            body += struct.pack(">i?i", code, False, -1) + part
        body += struct.pack(">i?i", -1, True, -1)
        reads = bool(ops) and ops[0][0] in ("get", "children")
        return self._simple(link, OP["multiread" if reads else "multi"], body, self._results)

    @staticmethod
    def _results(answer, r):
        answer.results = []
        while True:
            code, done, _ = r.take("i?i")
            if done:
                return
            part = Answer("ok")
            if code == OP["create"]:
                part.path = r.text()
            elif code == OP["create2"]:
                part.path, part.stat = r.text(), r.stat()
            elif code == OP["set"]:
                part.stat = r.stat()
            elif code == OP["get"]:
                part.data, part.stat = r.buffer() or b"", r.stat()
            elif code == OP["children1"]:
                part.names = r.names()
            elif code == -1:
                error = r.take("i")
                part.status = ERRORS.get(error, "error %d" % error)
            answer.results.append(part)

    # --- reads ---

    def do_exists(self, link, path, watch):
        return self._simple(link, OP["exists"], buffer(path) + struct.pack(">?", watch),
                            self._stat)

    def do_get(self, link, path, watch):
        def fill(answer, r):
            answer.data, answer.stat = r.buffer(), r.stat()
            answer.data = b"" if answer.data is None else answer.data
        return self._simple(link, OP["get"], buffer(path) + struct.pack(">?", watch), fill)

    def do_children(self, link, path, watch):
        def fill(answer, r):
            answer.names, answer.stat = r.names(), r.stat()
        return self._simple(link, OP["children"], buffer(path) + struct.pack(">?", watch), fill)

    def do_children1(self, link, path, watch):
        def fill(answer, r):
            answer.names = r.names()
        return self._simple(link, OP["children1"], buffer(path) + struct.pack(">?", watch), fill)

    def do_getacl(self, link, path):
        def fill(answer, r):
            answer.acl, answer.stat = r.acl(), r.stat()
        return self._simple(link, OP["getacl"], buffer(path), fill)

    def do_sync(self, link, path):
        def fill(answer, r):
            answer.path = r.text()
        return self._simple(link, OP["sync"], buffer(path), fill)

    def do_ephemerals(self, link, prefix):
        def fill(answer, r):
            answer.names = r.names()
        return self._simple(link, OP["ephemerals"], buffer(prefix), fill)

    def do_allchildren(self, link, path):
        def fill(answer, r):
            answer.number = r.take("i")
        return self._simple(link, OP["allchildren"], buffer(path), fill)

    def do_whoami(self, link):
        def fill(answer, r):
            count = r.take("i")
            answer.names = ["%s:%s" % (r.text(), r.text()) for _ in range(count)]
        return self._simple(link, OP["whoami"], b"", fill)

    # --- watches ---

    def do_addwatch(self, link, path, mode):
        number = {"persistent": 0, "recursive": 1, "wrong": 7}[mode]
        return self._simple(link, OP["addwatch"], buffer(path) + struct.pack(">i", number))

    def do_removewatch(self, link, path, kind):
        return self._simple(link, OP["removewatch"], buffer(path)
                            + struct.pack(">i", WATCHERS[kind]))

    def do_checkwatch(self, link, path, kind):
        return self._simple(link, OP["checkwatch"], buffer(path)
                            + struct.pack(">i", WATCHERS[kind]))

    def do_setwatches(self, link, zxid, lists):
        def paths(key):
            names = lists.get(key, [])
            return struct.pack(">i", len(names)) + b"".join(buffer(n) for n in names)
        two = "persistent" in lists or "recursive" in lists
        body = struct.pack(">q", zxid) + paths("data") + paths("exist") + paths("child")
        if two:
            body += paths("persistent") + paths("recursive")
        return self._simple(link, OP["setwatches2" if two else "setwatches"], body, xid=-8)

    # --- bad input ---

    def do_unknown(self, link, code):
        return self._simple(link, int(code), b"")

    def do_garbage(self, link, verb, size):
        """A request whose body is `size` bytes of 0xff."""
        return self._simple(link, OP[verb], b"\xff" * int(size))

    def do_length(self, link, length):
        """A frame that claims this length; the connection's end is the answer."""
        link.socket.sendall(struct.pack(">i", int(length)))
        got = link.answers.get(timeout=10)
        link.answers.put(got)
        return Answer("cut" if got is None else "ok")
