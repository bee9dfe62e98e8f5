#!/usr/bin/python3
"""Each rule of tidy.py complains about the line that breaks it, and about nothing else."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))

import tidy  # noqa: E402

ROOMS = {
    "src/base/CMakeLists.txt": "muster_room(base SOURCES a.cpp)",
    "src/base/a.cpp": "",
    "src/mesh/CMakeLists.txt": "muster_room(\n    mesh\n    USES muster::base\n    SOURCES m.cpp\n)",
    "src/admin/CMakeLists.txt": "muster_room(admin USES muster::base SOURCES n.cpp)",
    "src/admin/n.cpp": "",
    "src/mesh/m.cpp": '#include "base/a.hpp"\n#include "mesh/m.hpp"\n#include "muster/error.hpp"\n',
}


def complaints(files):
    """What tidy says of a tree that holds these files and the two rooms, without the tail."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in {**ROOMS, **files}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return [
            (c.split(" ")[0].rstrip(":"), c.rpartition("[")[2].rstrip("]"))
            for c in tidy.House(root).complaints()
        ]


def of_line(line, name="src/admin/n.cpp"):
    """The rules that one line of code in a file breaks."""
    return [rule for _, rule in complaints({name: line + "\n"})]


class Tidy(unittest.TestCase):
    def test_a_clean_tree_gives_no_complaint(self):
        self.assertEqual([], complaints({}))

    def test_a_room_includes_only_what_its_uses_name(self):
        self.assertEqual(
            [("src/mesh/m.cpp:2", "include")],
            complaints({"src/mesh/m.cpp": '#include "mesh/m.hpp"\n#include "runtime/loop.hpp"\n'}),
        )
        self.assertEqual(
            [("src/base/b.hpp:2", "include")],
            complaints({"src/base/b.hpp": '#pragma once\n#include "mesh/m.hpp"\n'}),
        )

    def test_a_test_may_include_what_test_uses_names(self):
        room = "muster_room(mesh USES muster::base SOURCES m.cpp TESTS t.cpp {})"
        files = {"src/mesh/t.cpp": '#include "runtime/loop.hpp"\n'}
        for more, expected in (("", ["include"]), ("TEST_USES muster::runtime", [])):
            files["src/mesh/CMakeLists.txt"] = room.format(more)
            self.assertEqual(expected, [rule for _, rule in complaints(files)])

    def test_a_room_uses_no_room_above_it_and_none_beside_it(self):
        for room, used in (("base", "mesh"), ("mesh", "zookeeper"), ("mesh", "node")):
            listing = f"muster_room({room} USES muster::{used} SOURCES a.cpp m.cpp)"
            files = {f"src/{room}/{n}": "" for n in ("a.cpp", "m.cpp")}
            files[f"src/{room}/CMakeLists.txt"] = listing
            self.assertEqual(
                [(f"src/{room}/CMakeLists.txt:1", "layer")], complaints(files), (room, used)
            )

    def test_a_private_header_stays_in_its_room(self):
        self.assertEqual(["include"], of_line('#include "base/detail/a.hpp"'))

    def test_a_public_header_includes_neither_rooms_nor_third_parties(self):
        name = "include/muster/x.hpp"
        self.assertEqual(["include"], of_line('#pragma once\n#include "base/a.hpp"', name))
        self.assertEqual(["include"], of_line("#pragma once\n#include <fmt/format.h>", name))
        self.assertEqual([], of_line('#pragma once\n#include <map>\n#include "muster/y.hpp"', name))

    def test_every_source_is_listed_and_every_listed_source_exists(self):
        self.assertEqual([("src/mesh/n.cpp:1", "listed")], complaints({"src/mesh/n.cpp": ""}))
        self.assertEqual([("bench/n.cpp:1", "listed")], complaints({"bench/n.cpp": ""}))
        self.assertEqual([], complaints({"bench/peers/n.cpp": ""}))
        self.assertEqual(
            [("src/mesh/CMakeLists.txt:1", "listed")],
            complaints({"src/mesh/CMakeLists.txt": "muster_room(mesh SOURCES m.cpp z.cpp USES muster::base)"}),
        )

    def test_banned_words_are_found_in_code(self):
        for line, rule in (
            ("std::this_thread::sleep_for(x);", "sleep"),
            ("auto t = std::chrono::steady_clock::now();", "clock"),
            ("std::mutex guard;", "mutex"),
            ("std::jthread worker;", "thread"),
            ("int n = std::rand();", "random"),
            ("#include <boost/asio.hpp>", "asio"),
            ("assert(x);", "assert"),
            ("auto s = std::format(x);", "format"),
            ("co_return;", "coroutine"),
            ("f(); // TO" + "DO later", "todo"),
            ("// see ../sha" + "red/x.md", "place"),
            ("static int counter = 0;", "global"),
            ("int x; ", "blanks"),
            ("// " + "x" * 98, "columns"),
        ):
            self.assertEqual([rule], of_line(line), line)

    def test_banned_words_in_comments_and_similar_words_are_no_offence(self):
        for line in (
            "// never call std::this_thread::sleep_for here",
            'log("steady_clock::now");',
            "static_assert(x);",
            "loop.time();",
            "operand(3);",
            "std::thread::id me;",
        ):
            self.assertEqual([], of_line(line), line)

    def test_plain_targets_list_files_and_rooms_too(self):
        listing = "add_executable(x x.cpp)\ntarget_link_libraries(x PRIVATE muster::base)\n"
        files = {"tests/x/CMakeLists.txt": listing, "tests/x/x.cpp": '#include "base/a.hpp"\n'}
        self.assertEqual([], complaints(files))
        files["tests/x/x.cpp"] = '#include "mesh/m.hpp"\n'
        self.assertEqual(["include"], [rule for _, rule in complaints(files)])

    def test_an_exception_needs_a_reason(self):
        self.assertEqual([], of_line("std::mutex m;  // tidy: allow(mutex) because users call"))
        self.assertEqual(["mutex"], of_line("std::mutex m;  // tidy: allow(mutex)"))
        self.assertEqual(["mutex"], of_line("std::mutex m;  // tidy: allow(clock) because users"))

    def test_awaiting_follows_the_lint(self):
        name = "apps/x/main.cpp"
        files = {"apps/x/CMakeLists.txt": "muster_program(x SOURCES main.cpp)"}
        files[name] = "void f() {\n    g(co_await h());\n}\n"
        self.assertEqual([(f"{name}:2", "await")], complaints(files))

    def test_files_and_functions_have_a_limit(self):
        self.assertEqual([], of_line("// x\n" * 599))
        self.assertEqual(["lines"], of_line("// x\n" * 600))
        body = "    f();\n" * 69
        self.assertEqual(["function"], of_line(f"void g() {{\n{body}}}"))
        self.assertEqual([], of_line(f"void g() {{\n{body[9:]}}}"))
        self.assertEqual(["function"], of_line(f"x::x() : a_{{1}}, b_(2) {{\n{body}}}"))
        self.assertEqual([], of_line(f"class x {{\n{body}{body}}};"))

    def test_a_name_says_what_it_holds(self):
        self.assertIn("name", of_line("", "src/mesh/utils.cpp"))

    def test_links_of_documents_lead_somewhere(self):
        doc = "[here](a.md) [there](b.md#x) [web](https://x.org) [up](#top)\n"
        self.assertEqual(
            [("docs/a.md:1", "link")], complaints({"docs/a.md": doc})
        )


if __name__ == "__main__":
    unittest.main()
