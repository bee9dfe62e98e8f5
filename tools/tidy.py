#!/usr/bin/python3
"""The rules of the house that a compiler does not check.

    tidy.py [ROOT]      complains as FILE:LINE: what to do instead; exits 1 if it did

A line that must break a rule says why behind it: `// tidy: allow(<rule>) because ...`.
What each room may include, it reads from the room's own CMakeLists.txt.
"""

import pathlib
import re
import subprocess
import sys

import cpp_text
from await_lint import complaints as await_complaints

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70
COLUMNS_MAX = 100

LAYERS = "base runtime zookeeper mesh cluster process discovery admin node".split()
# Rooms that stand side by side and may not see each other.
ASIDE = [{"zookeeper", "mesh"}]

CODE = {".cpp", ".hpp", ".c", ".h"}
LISTED = {".cpp", ".c"}
LONG_ALLOWED = {".md", ".txt", ".json", ".svg", ".css", ".golden", ".lock", ""}
# Sources that no listing names: something else compiles them.
BUILT_ELSEWHERE = ("tests/package/", "bench/peers/")
# Text that only a tool reads, or that is bad on purpose.
SKIPPED = ("tests/lint/samples/", "web/dist/", "docs/images/", "LICENSE")

# rule: (pattern, folders where it is allowed, what to do instead)
BANNED = {
    "sleep": (
        r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.>:])(?:::)?sleep\s*\(",
        ("src/runtime/", "tests/live/", "bench/", "examples/", "apps/muster/demo"),
        "do not sleep: wait for the event, or use a timer of runtime",
    ),
    "clock": (
        r"_clock::now\b|\bgettimeofday\b|\bclock_gettime\b|(?<![\w.>])(?:std)?::time\s*\(",
        ("src/runtime/", "tests/live/", "apps/", "bench/", "examples/"),
        "take the time from runtime",
    ),
    "mutex": (
        r"\bstd::(?:recursive_|shared_|timed_)?mutex\b|\bstd::condition_variable",
        # src/mesh: senders on any thread append to one buffer; a post for each would cost a wake.
        ("src/runtime/", "src/mesh/", "tests/", "apps/", "bench/", "examples/"),
        "no locks here: post to the loop, or read a snapshot",
    ),
    "thread": (
        r"\bstd::(?:j?thread\b(?!::id)|async\s*\()",
        ("src/runtime/", "tests/", "apps/", "bench/", "examples/"),
        "threads live in runtime",
    ),
    "random": (
        r"\bstd::random_device\b|(?<![\w.>:])(?:std::)?s?rand\s*\(|\barc4random\b|\bgetrandom\b",
        ("src/runtime/",),
        "take random numbers from runtime",
    ),
    "asio": (
        r"#\s*include\s*<boost/asio",
        ("src/runtime/", "include/muster/asio.hpp", "bench/", "tests/live/", "examples/"),
        "only runtime includes Asio",
    ),
    "assert": (r"(?<!\w)assert\s*\(|<cassert>", (), "use MUSTER_ASSERT(condition, why)"),
    "format": (r"#\s*include\s*<format>|\bstd::format\b", (), "GCC 12 has no std::format"),
    "global": (r"^(?:static|inline) (?!const|constexpr|constinit const)[\w:<>]+ \w+(?:;| = |\{)", (),
               "no static mutable state"),
}
COROUTINE = re.compile(r"\bco_(?:await|return|yield)\b")
COROUTINES_ALLOWED = ("include/", "src/node/", "src/process/", "apps/", "examples/", "tests/", "bench/")
EVERYWHERE = {
    "todo": (re.compile(r"\b(?:TODO|FIXME|XXX)\b"), "finish it, or open an issue"),
    "place": (
        re.compile(r"(?<![\w/])/work/|\.\./shared/|(?<![\w/.])shared/(?:design|\w+\.md)|/home/[a-z]"),
        "no paths outside of the repository",
    ),
}
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc", "manager"}
ALLOW = re.compile(r"tidy: allow\((\w+)\) because \w+")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CALL = re.compile(
    r"\b(muster_room|muster_tests|muster_program|muster_fuzz|add_library|add_executable"
    r"|target_link_libraries)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)"
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)[^)]*\)")


def tracked(root):
    """Every file of the repository, also where git is missing; none that git ignores."""
    try:
        listed = subprocess.run(
            ["git", "-C", str(root), "ls-files", "-co", "--exclude-standard", "-z"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = [p.relative_to(root).as_posix() for p in root.glob("**/*")]
        listed = [n for n in listed if not n.startswith(("build/", ".git/"))]
    return sorted(n for n in set(listed) if n and (root / n).is_file())


def read(path):
    """The text of a file, or None where it is not text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


class Listing:
    """What one CMakeLists.txt declares."""

    def __init__(self, text):
        self.files = []  # every file it lists
        self.uses = {}  # file -> the rooms it may include
        self.rooms = {}  # room -> the rooms it names in USES
        text = re.sub(r"#[^\n]*", "", text)
        self._targets = {}  # plain CMake target -> the files it lists
        for call, body in CALL.findall(text):
            if call.startswith("add_"):
                self._plain_target(body.split())
            elif call == "target_link_libraries":
                self._plain_links(body.split())
            else:
                self._declare(call, body.split())

    def _plain_target(self, words):
        """add_library or add_executable, where none of our own calls fits."""
        files = [w.strip('"') for w in words[1:] if pathlib.PurePosixPath(w).suffix in LISTED]
        if files and "$" not in "".join(files):
            self._targets[words[0]] = files
            self.files += files
            self.uses.update({file: set() for file in files})

    def _plain_links(self, words):
        for file in self._targets.get(words[0], []) if words else []:
            self.uses[file] |= {w[8:] for w in words if re.fullmatch(r"muster::\w+", w)}

    def _declare(self, call, words):
        if not words:
            return
        sections = {}
        key = "NAME"
        for word in words:
            if re.fullmatch(r"[A-Z_]{3,}", word):
                key = word
            else:
                sections.setdefault(key, []).append(word.strip('"'))
        rooms = lambda k: {u[8:] for u in sections.get(k, []) if re.fullmatch(r"muster::\w+", u)}
        allowed = rooms("USES")
        name = sections["NAME"][0]
        if call == "muster_room":
            self.rooms[name] = allowed
            allowed = allowed | {name}
        for file in sections.get("SOURCES", []):
            self.files.append(file)
            self.uses[file] = allowed
        for file in sections.get("TESTS", []):
            self.files.append(file)
            self.uses[file] = allowed | rooms("TEST_USES")


class House:
    def __init__(self, root):
        self.root = root
        self.names = [n for n in tracked(root) if not n.startswith(SKIPPED)]
        self.listings = {
            n[: -len("CMakeLists.txt")]: Listing(read(root / n))
            for n in self.names
            if n.endswith("CMakeLists.txt")
        }
        self.rooms = {}
        for listing in self.listings.values():
            self.rooms.update(listing.rooms)

    def listing_of(self, name):
        """The nearest listing above a file, as (folder, listing)."""
        folders = [f for f in self.listings if name.startswith(f)]
        folder = max(folders, key=len, default=None)
        return folder, self.listings.get(folder)

    def complaints(self):
        for name in self.names:
            text = read(self.root / name)
            if text is None:
                continue
            lines = text.split("\n")
            allowed = [ALLOW.findall(line) for line in lines]
            for line, rule, why in self.file_complaints(name, text, lines):
                if rule not in allowed[line - 1]:
                    yield f"{name}:{line}: {why} [{rule}]"
        yield from self.listing_complaints()

    def file_complaints(self, name, text, lines):
        suffix = pathlib.PurePosixPath(name).suffix
        yield from self.name_complaints(name)
        if suffix not in LONG_ALLOWED and len(lines) > FILE_LINES_MAX + 1:
            yield 1, "lines", f"{len(lines) - 1} lines; the limit is {FILE_LINES_MAX}"
        if name != "tools/tidy.py":
            for rule, (pattern, instead) in EVERYWHERE.items():
                for number, line in enumerate(lines, 1):
                    if pattern.search(line):
                        yield number, rule, instead
        if suffix in CODE:
            yield from self.code_complaints(name, text, lines)
        if suffix == ".md":
            yield from self.link_complaints(name, lines)

    def name_complaints(self, name):
        parts = re.split(r"[/_.]", name.rsplit(".", 1)[0])
        for part in VAGUE.intersection(parts):
            if not name.startswith("docs/"):
                yield 1, "name", f"'{part}' says nothing: name what it holds"

    def code_complaints(self, name, text, lines):
        code = cpp_text.blank(text)
        blanked = code.split("\n")
        if name.endswith((".hpp", ".h")) and "#pragma once" not in code:
            yield 1, "once", "a header begins with #pragma once"
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                yield number, "columns", f"{len(line)} columns; the limit is {COLUMNS_MAX}"
            if "\t" in line or line != line.rstrip():
                yield number, "blanks", "no tabs, and no blanks at the end of a line"
        for number, line in enumerate(blanked, 1):
            for rule, (pattern, exempt, instead) in BANNED.items():
                if not name.startswith(exempt) and re.search(pattern, line):
                    if rule == "thread" and name.endswith("_test.cpp"):
                        continue
                    yield number, rule, instead
            if COROUTINE.search(line) and not name.startswith(COROUTINES_ALLOWED):
                yield number, "coroutine", "no coroutines below node (decision 0001)"
        for number, why in await_complaints(text):
            yield number, "await", why
        yield from self.include_complaints(name, lines)
        yield from function_complaints(blanked)

    def include_complaints(self, name, lines):
        folder, listing = self.listing_of(name)
        room = next((r for r in self.rooms if name.startswith(f"src/{r}/")), None)
        for number, line in enumerate(lines, 1):
            found = INCLUDE.match(line)
            if not found:
                continue
            bracket, what = found.groups()
            top = what.split("/")[0]
            if name.startswith("include/"):
                yield from public_include_complaints(name, number, bracket, what)
                continue
            if bracket == "<" or top == "muster" or top == "base" and "/detail/" not in what:
                continue  # Everything stands on the public headers and on base.
            if "/" not in what:
                continue
            if "/detail/" in what and top != room:
                yield number, "include", f"'{what}' is private to the room '{top}'"
            if top not in self.rooms and top not in LAYERS:
                continue
            if listing is None or name.startswith("src/") and room is None:
                continue
            if self.may_include(name[len(folder) :], listing, room, top):
                continue
            yield number, "include", f"'{room or folder}' does not name muster::{top} in USES"

    def may_include(self, file, listing, room, top):
        if file in listing.uses:
            return top in listing.uses[file]
        # A header: what the room may use, or anything that some source of a program may.
        if room is not None:
            tests = [u for f, u in listing.uses.items() if file.endswith("_test.hpp")]
            return top == room or top in listing.rooms.get(room, set()).union(*tests)
        return any(top in uses for uses in listing.uses.values())

    def link_complaints(self, name, lines):
        here = (self.root / name).parent
        for number, line in enumerate(lines, 1):
            for target in LINK.findall(line):
                if re.match(r"[a-z]+:", target) or target.startswith("#"):
                    continue
                if not (here / target).exists():
                    yield number, "link", f"there is no {target}"

    def listing_complaints(self):
        for folder, listing in self.listings.items():
            for file in listing.files:
                if "$" not in file and not (self.root / folder / file).is_file():
                    yield f"{folder}CMakeLists.txt:1: {file} is listed but does not exist [listed]"
            for room, uses in listing.rooms.items():
                yield from self.layer_complaints(folder, room, uses)
        for name in self.names:
            if pathlib.PurePosixPath(name).suffix not in LISTED:
                continue
            folder, listing = self.listing_of(name)
            if folder in (None, "") or name[len(folder) :] not in listing.files:
                if not name.startswith(BUILT_ELSEWHERE):
                    yield f"{name}:1: no CMakeLists.txt lists this file [listed]"

    def layer_complaints(self, folder, room, uses):
        if room not in LAYERS:
            return
        for used in sorted(uses):
            if used not in LAYERS or LAYERS.index(used) > LAYERS.index(room) or (
                {room, used} in ASIDE
            ):
                yield f"{folder}CMakeLists.txt:1: '{room}' stands below '{used}' or beside it [layer]"


def public_include_complaints(name, number, bracket, what):
    if bracket == '"' and not what.startswith("muster/"):
        yield number, "include", "a public header includes public headers only"
    if bracket == "<" and not re.fullmatch(r"[a-z0-9_]+", what) and name != "include/muster/asio.hpp":
        yield number, "include", "a public header includes no third-party header"


SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern|concept)\b(?![^<]*\)\s*$)")
VALUE_BEFORE = re.compile(r"[\w>=,(\[]$")
BODY_BEFORE = re.compile(r"(?:\b(?:const|noexcept|override|final|mutable|try)|->[\w:<>,\s*&()]+)$")


def function_complaints(blanked):
    """Functions whose outermost block is too long, tests and member functions among them."""
    lead = ""  # what stands since the last statement or block ended
    open_blocks = []  # (kind, line) of each block that is open
    for number, line in enumerate(blanked, 1):
        if line.lstrip().startswith("#"):
            continue
        for c in line:
            if c == "{":
                inside = any(kind == "function" for kind, _ in open_blocks)
                open_blocks.append((block_kind(lead.strip(), inside), number))
                if open_blocks[-1][0] != "value":
                    lead = ""
            elif c == "}" and open_blocks:
                kind, began = open_blocks.pop()
                if kind == "function" and number - began >= FUNCTION_LINES_MAX:
                    size = number - began + 1
                    yield began, "function", f"{size} lines; the limit is {FUNCTION_LINES_MAX}"
                if kind != "value":
                    lead = ""
            elif c == ";" and (not open_blocks or open_blocks[-1][0] != "value"):
                lead = ""
            else:
                lead += c
        lead += " "


def block_kind(lead, inside):
    if inside:
        return "inner"
    if SCOPE.search(lead) and "(" not in lead.partition("{")[0]:
        return "scope"
    if BODY_BEFORE.search(lead):
        return "function"
    if VALUE_BEFORE.search(lead):
        return "value"
    return "function" if "(" in lead else "scope"


def main(arguments):
    root = pathlib.Path(arguments[0] if arguments else ".").resolve()
    found = list(House(root).complaints())
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
