"""Scenarios as data: what is asked, and what every server must answer. The form is in scenarios/README.md."""

import re
import shlex
import time

from clients import STAT_FIELDS, NotExpressible
import servers

EVENT_TIMEOUT = 8.0
CONDITION = re.compile(r"^(\w+)(>=|<=|=|<|>|\?)(\S+)$")


class Mismatch(Exception):
    pass


class Scenario:
    def __init__(self, name, origin):
        self.name, self.origin = name, origin
        self.steps = []  # (line number, text)


def load(path):
    found = []
    with open(path) as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if text.startswith("== "):
                found.append(Scenario(text[3:], path))
            elif text and not text.startswith("#"):
                found[-1].steps.append((number, text))
    return found


def parse_acl(text):
    """world:anyone:31,digest:u:abc=:3 -> [(permissions, scheme, id)]"""
    entries = []
    for part in text.split(",") if text else []:
        scheme, rest = part.split(":", 1)
        name, permissions = rest.rsplit(":", 1)
        entries.append((int(permissions), scheme, name))
    return entries


OPEN_ACL = [(31, "world", "anyone")]


def data_of(token):
    if token.startswith("size:"):
        return b"x" * int(token[5:])
    return token.encode()


def data_to_set(path, token):
    """frame:N is as much as makes the whole request N bytes."""
    if token.startswith("frame:"):
        header, lengths, version = 8, 4 + 4, 4
        return b"x" * (int(token[6:]) - header - lengths - len(path.encode()) - version)
    return data_of(token)


# Of these words the keeper tells a part.
KEEPER_TELLS = {
    "mntr": {"zk_" + name for name in (
        "version", "server_state", "avg_latency", "max_latency", "min_latency", "packets_received",
        "packets_sent", "num_alive_connections", "outstanding_requests", "znode_count",
        "watch_count", "ephemerals_count", "approximate_data_size", "global_sessions", "uptime")},
}
# Of `dump` the keeper gives an end in milliseconds, no date, and connections without their ends.
TOLD_OTHERWISE = {"dump": re.compile(r"# expire at|/#\.#|ip$|Connections Sets")}


def word_shape(answer):
    """What the lines of an answer are about, whatever the figures in them: their keys."""
    keys = set()
    for line in answer.splitlines():
        listed = re.search(r"\((\w+=.*)\)", line)  # a connection
        if listed:
            keys.update(part.partition("=")[0] for part in listed.group(1).split(","))
        elif line.strip():
            keys.add(re.sub(r"0x[0-9a-f]+|\d+", "#", re.split(r"[:=\t]", line.strip())[0]))
    return keys


class Run:
    """One scenario, through one client, on one server."""

    def __init__(self, scenario, client, server, root):
        self.scenario, self.client, self.server, self.root = scenario, client, server, root
        self.opened = set()
        self.captured = {}
        self.record = []

    def run(self):
        for number, text in self.scenario.steps:
            try:
                self.step(text)
            except Mismatch as problem:
                raise Mismatch(f"{self.scenario.origin}:{number}: {text}\n      {problem}") \
                    from None

    def expand(self, token):
        return token.replace("$", self.root)

    def step(self, text):
        asked, arrow, wanted = text.partition(" -> ")
        tokens = shlex.split(asked)
        session, verb, rest = tokens[0], tokens[1], [self.expand(t) for t in tokens[2:]]
        if session == "wait":
            time.sleep(int(verb) / 1000)
            return
        if session == "word":
            self.check_word(verb, wanted)
            return
        if verb != "open" and session not in self.opened:
            self.open(session, [])
        special = getattr(self, "step_" + verb, None)
        if special is not None:
            special(session, rest)
            return
        answer = self.open(session, rest) if verb == "open" else \
            self.client.call(session, verb, self.arguments(verb, rest))
        self.note(session, verb, answer)
        if arrow:
            self.compare(verb, answer, wanted)
        elif answer.status != "ok":
            raise Mismatch(f"answered: {answer}")

    # --- steps of their own kind ---

    def open(self, session, rest):
        options = dict(part.split("=", 1) for part in rest)
        self.opened.add(session)
        arguments = {"timeout": int(options.get("timeout", 4000))}
        if "like" in options:
            arguments["like"] = options["like"]
        if "password" in options:
            arguments["password"] = options["password"].encode()
        if options.get("zxid") == "ahead":
            arguments["zxid"] = 0x7fffffffffffffff
        answer = self.client.open(session, **arguments)
        if not rest and answer.status != "ok":
            raise Mismatch(f"a session could not be opened: {answer}")
        return answer

    def step_event(self, session, rest):
        heard = self.client.events.take(session, EVENT_TIMEOUT)
        self.check_event(session, heard, rest)

    def step_heard(self, session, rest):
        """The event was there before the last answer, where the client keeps that order."""
        strict = getattr(self.client, "strict", False)
        heard = self.client.events.take(session, 0 if strict else EVENT_TIMEOUT)
        self.check_event(session, heard, rest)

    def check_event(self, session, heard, rest):
        wanted = (rest[0], rest[1])
        self.record.append(f"{session} event {self.plain(str(heard))}")
        if heard != wanted:
            raise Mismatch(f"heard: {heard}")

    def step_events(self, session, rest):
        """Several in any order: kind path kind path …"""
        wanted = sorted(zip(rest[0::2], rest[1::2]))
        heard = [self.client.events.take(session, EVENT_TIMEOUT) for _ in wanted]
        if None in heard or sorted(heard) != wanted:
            raise Mismatch(f"heard: {heard}")

    def step_quiet(self, session, rest):
        self.client.call(session, "sync", [self.root])
        heard = self.client.events.take(session, 0.0 if getattr(self.client, "strict", False)
                                        else 0.15)
        if heard is not None:
            raise Mismatch(f"heard: {heard}")

    def step_gone(self, session, rest):
        if not hasattr(self.client, "is_cut"):
            raise NotExpressible()
        if not self.client.is_cut(session, 10.0):
            raise Mismatch("the connection still stands")

    def step_mark(self, session, rest):
        if not hasattr(self.client, "last_zxid"):
            raise NotExpressible()
        self.captured[rest[0]] = self.client.last_zxid(session)

    def check_word(self, word, wanted):
        answer = servers.four_letter(self.server.port, word)
        for pattern in shlex.split(wanted):
            if not re.search(pattern, answer, re.MULTILINE):
                raise Mismatch(f"'{pattern}' is not in:\n{answer}")
        shape = word_shape(answer)
        if word in KEEPER_TELLS:
            if self.server.name == "keeper" and shape != KEEPER_TELLS[word]:
                raise Mismatch(f"the keeper tells: {sorted(shape ^ KEEPER_TELLS[word])}")
            shape &= KEEPER_TELLS[word]
        if word in TOLD_OTHERWISE:
            shape = {key for key in shape if not TOLD_OTHERWISE[word].match(key)}
        self.record.append(f"word {word} {self.plain(str(sorted(shape)))}")

    # --- arguments ---

    def arguments(self, verb, rest):
        if verb in ("create", "create1"):
            plain, options = self.split_options(rest)
            acl = parse_acl(options["acl"]) if "acl" in options else OPEN_ACL
            return [plain[0], data_of(plain[1]) if len(plain) > 1 else b"",
                    options.get("mode", "p"), acl, int(options.get("ttl", 0))]
        if verb in ("delete", "check"):
            plain, options = self.split_options(rest)
            return [plain[0], int(options.get("v", -1))]
        if verb == "set":
            plain, options = self.split_options(rest)
            return [plain[0], data_to_set(*plain), int(options.get("v", -1))]
        if verb == "setacl":
            plain, options = self.split_options(rest)
            return [plain[0], parse_acl(options["acl"]), int(options.get("v", -1))]
        if verb in ("exists", "get", "children", "children1"):
            return [rest[0], "watch" in rest[1:]]
        if verb == "multi":
            return [self.operations(rest)]
        if verb == "setwatches":
            _, options = self.split_options(rest)
            zxid = options.pop("zxid")
            lists = {key: value.split(",") for key, value in options.items()}
            return [self.captured.get(zxid, 0), lists]
        return rest

    @staticmethod
    def split_options(rest):
        options, plain = {}, []
        for token in rest:
            key, equals, value = token.partition("=")
            if equals and key in ("mode", "acl", "ttl", "v", "zxid", "data", "exist", "child",
                                  "persistent", "recursive"):
                options[key] = value
            else:
                plain.append(token)
        return plain, options

    def operations(self, rest):
        operations, one = [], []
        for token in rest + [";"]:
            if token != ";":
                one.append(token)
                continue
            if one:
                arguments = self.arguments(one[0], one[1:])
                operations.append((one[0], arguments))
            one = []
        return operations

    # --- answers ---

    def plain(self, text):
        return text.replace(self.root, "$")

    def note(self, session, verb, answer):
        """What must be the same on both servers, written down to be compared afterwards."""
        parts = [session, verb, answer.status]
        for name in ("path", "data", "acl", "number"):
            parts.append(self.plain(str(getattr(answer, name))))
        names = answer.names
        parts.append("-" if names is None or verb == "whoami" else str(sorted(names)))
        parts += self.note_stat(answer.stat)
        for part in answer.results or []:
            parts += [part.status, self.plain(str(part.path)), str(part.data)]
            parts += self.note_stat(part.stat)
        self.record.append(" ".join(parts))

    @staticmethod
    def note_stat(stat):
        if stat is None:
            return []
        same = ("version", "cversion", "aversion", "length", "children")
        return ["%s=%d" % (field, stat[field]) for field in same] + [
            "owned=%s" % (stat["owner"] != 0), "touched=%s" % (stat["mzxid"] > stat["czxid"]),
            "parent=%s" % (stat["pzxid"] > stat["czxid"])]

    def compare(self, verb, answer, wanted):
        head, _, tail = wanted.partition(" : ")
        self.compare_one(verb, answer, head)
        if answer.results is not None and tail:
            parts = [part.strip() for part in tail.split(";")]
            if len(parts) != len(answer.results):
                raise Mismatch(f"answered: {answer}")
            for part, result in zip(parts, answer.results):
                self.compare_one("result", result, part)

    def compare_one(self, verb, answer, wanted):
        def wrong(why):
            raise Mismatch(f"{why}; answered: {answer}")

        names = re.search(r"\[(.*)\]", wanted)
        if names:
            wanted = wanted.replace(names.group(0), "")
            listed = sorted(self.expand(n) for n in names.group(1).split())
            if listed != sorted(answer.names or []):
                wrong("other names")
        tokens = shlex.split(wanted)
        if tokens[0] != answer.status:
            wrong("another outcome")
        for token in tokens[1:]:
            condition = CONDITION.match(token)
            if token.startswith("acl="):
                if sorted(parse_acl(token[4:])) != sorted(answer.acl or []):
                    wrong("another ACL")
            elif condition and condition.group(1) in STAT_FIELDS:
                self.compare_stat(answer, *condition.groups(), wrong)
            elif answer.data is not None:
                if data_of(token) != answer.data:
                    wrong("other data")
            elif answer.path is not None:
                if self.expand(token) != answer.path:
                    wrong("another path")
            elif answer.number is not None:
                if int(token) != answer.number:
                    wrong("another number")
            elif verb == "open":
                raise NotExpressible()  # a client that does not tell the timeout
            elif verb not in ("create", "create1"):
                wrong(f"nothing to compare '{token}' with")

    def excuse(self, what, wrong):
        """Some libraries do not pass all on that a server tells; ours, and the protocol itself, do."""
        if self.client.tells_all:
            wrong(f"no {what}")

    def compare_stat(self, answer, field, relation, right, wrong):
        if answer.stat is None:
            self.excuse("stat", wrong)
            return
        left = answer.stat[field]
        if relation == "?":
            self.captured[right] = left
            return
        if right in STAT_FIELDS:
            right = answer.stat[right]
        elif right.startswith("@"):
            right = self.client.session_id(right[1:])
            if right is None:
                self.excuse("session id", wrong)
                return
        elif right.startswith("%"):
            if right[1:] not in self.captured:
                self.excuse(right, wrong)
                return
            right = self.captured[right[1:]]
        else:
            right = int(right)
        holds = {"=": left == right, "<": left < right, ">": left > right,
                 ">=": left >= right, "<=": left <= right}[relation]
        if not holds:
            wrong(f"{field} is {left}, not {relation} {right}")
