#!/usr/bin/python3
"""Drives stock kazoo by the lines of clients.DriverClient."""

import sys
import threading
import urllib.parse

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import EventType
from kazoo.security import ACL, Id

EVENTS = {EventType.CREATED: 1, EventType.DELETED: 2, EventType.CHANGED: 3, EventType.CHILD: 4}
MODES = {"p": (False, False), "e": (True, False), "ps": (False, True), "es": (True, True)}

output = threading.Lock()


class NotExpressible(Exception):
    pass


def say(*fields):
    with output:
        sys.stdout.write("\t".join(urllib.parse.quote(f, safe="/=!,") for f in fields) + "\n")
        sys.stdout.flush()


def decode(field):
    return urllib.parse.unquote(field)


def acl_of(text):
    entries = []
    for entry in text.split(" ") if text else []:
        permissions, scheme, name = entry.split(",")
        entries.append(ACL(int(permissions), Id(scheme, decode(name))))
    return entries


def stat_field(stat):
    return "stat=" + ",".join(str(n) for n in (
        stat.czxid, stat.mzxid, stat.ctime, stat.mtime, stat.version, stat.cversion, stat.aversion,
        stat.ephemeralOwner, stat.dataLength, stat.numChildren, stat.pzxid))


def data_field(data):
    return "data=" + data.decode("latin1")


class Session:
    def __init__(self, hosts, name, timeout, like):
        options = {}
        if like is not None:
            options["client_id"] = like.client_id
        # Resuming a dead session, kazoo makes a new one; what it was asked for is remembered.
        self.wanted = like.client_id[0] if like is not None else None
        self.name = name
        self.last = None
        self.client = KazooClient(hosts=hosts, timeout=timeout / 1000, **options)
        try:
            self.client.start(timeout=15)
        except KazooTimeoutError:
            self.client.close()
            raise
        self.client_id = self.client.client_id

    def heard(self, event):
        # kazoo calls once for a data watch and once for a child watch, with one and the same event.
        if event is self.last:
            return
        self.last = event
        if event.type in EVENTS:
            say("!", self.name, str(EVENTS[event.type]), event.path)

    def watch(self, flag):
        return self.heard if flag == "1" else None


def do(session, verb, args):
    client = session.client
    if verb in ("create", "create1"):
        path, data, mode, acl, ttl = args
        if mode not in MODES:
            raise NotExpressible()
        ephemeral, sequence = MODES[mode]
        if acl == "":
            raise NotExpressible()  # an empty list becomes the default
        made = client.create(path, data.encode("latin1"), acl_of(acl), ephemeral, sequence,
                             include_data=verb == "create")
        return ["path=" + made] if verb == "create1" else ["path=" + made[0], stat_field(made[1])]
    if verb == "delete":
        client.delete(args[0], int(args[1]))
        return []
    if verb == "set":
        return [stat_field(client.set(args[0], args[1].encode("latin1"), int(args[2])))]
    if verb == "exists":
        stat = client.exists(args[0], session.watch(args[1]))
        return None if stat is None else [stat_field(stat)]
    if verb == "get":
        data, stat = client.get(args[0], session.watch(args[1]))
        return [data_field(data), stat_field(stat)]
    if verb in ("children", "children1"):
        names, stat = client.get_children(args[0], session.watch(args[1]), include_data=True)
        return ["names=" + ",".join(urllib.parse.quote(n, safe="") for n in names),
                stat_field(stat)]
    if verb == "sync":
        client.sync(args[0])
        return ["path=" + args[0]]
    if verb == "auth":
        client.add_auth(args[0], args[1])
        return []
    if verb == "getacl":
        acls, stat = client.get_acls(args[0])
        return ["acl=" + " ".join("%d,%s,%s" % (a.perms, a.id.scheme,
                                                urllib.parse.quote(a.id.id, safe=""))
                                  for a in acls), stat_field(stat)]
    if verb == "setacl":
        return [stat_field(client.set_acls(args[0], acl_of(args[1]), int(args[2])))]
    if verb == "multi":
        return multi(client, args)
    if verb == "close":
        client.stop()
        client.close()
        return []
    raise NotExpressible()


def multi(client, operations):
    transaction = client.transaction()
    for operation in operations:
        name, *args = [decode(f) for f in operation.split("\t")]
        if name == "create":
            if args[2] not in MODES:
                raise NotExpressible()
            ephemeral, sequence = MODES[args[2]]
            transaction.create(args[0], args[1].encode("latin1"), acl_of(args[3]), ephemeral,
                               sequence)
        elif name == "delete":
            transaction.delete(args[0], int(args[1]))
        elif name == "set":
            transaction.set_data(args[0], args[1].encode("latin1"), int(args[2]))
        elif name == "check":
            transaction.check(args[0], int(args[1]))
        else:
            raise NotExpressible()
    fields = ["empty="]
    for result in transaction.commit():
        parts = ["0"]
        if isinstance(result, Exception):
            parts = [str(getattr(result, "code", -1))]
            # kazoo's name for an operation before the one at fault
            if type(result).__name__ == "RolledBackError":
                parts = ["0"]
        elif isinstance(result, str):
            parts.append("path=" + result)
        elif hasattr(result, "czxid"):
            parts.append(stat_field(result))
        fields.append("result=" + "\t".join(urllib.parse.quote(p, safe="/=,") for p in parts))
    return fields


def main():
    hosts = sys.argv[1]
    sessions = {}
    for line in sys.stdin:
        raw = line.rstrip("\n").split("\t")
        verb, name = decode(raw[0]), decode(raw[1])
        # Data travels as latin1 text: one character a byte.
        args = [urllib.parse.unquote(f, encoding="latin1") if index == 1 and
                verb in ("create", "create1", "set") else decode(f)
                for index, f in enumerate(raw[2:])]
        try:
            if verb == "open":
                session = Session(hosts, name, int(args[0]), sessions.get(args[1]))
                sessions[name] = session
                if session.wanted not in (None, session.client_id[0]):
                    say("=", "-112")
                else:
                    say("=", "0", "session=%d" % session.client_id[0])
                continue
            answer = do(sessions[name], verb, args)
            say("=", "-101") if answer is None else say("=", "0", *answer)
        except NotExpressible:
            say("na")
        except KazooTimeoutError:
            say("=", "-4")
        except KazooException as problem:
            code = getattr(problem, "code", None)
            say("=", str(code if code is not None else -1))


if __name__ == "__main__":
    main()
