#!/usr/bin/python3
"""The lint refuses each marked line of samples/bad.cpp and no line of samples/good.cpp."""

import pathlib
import re
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tools"))

import await_lint  # noqa: E402


def refused(source):
    return [line for line, _ in await_lint.complaints(source)]


def refused_in_body(statement):
    return bool(refused("task<> f() {\n" + statement + "\n}\n"))


class AwaitLint(unittest.TestCase):
    def test_it_accepts_every_allowed_form(self):
        source = (HERE / "samples/good.cpp").read_text()
        self.assertEqual([], list(await_lint.complaints(source)))

    def test_it_refuses_every_marked_line_and_no_other(self):
        source = (HERE / "samples/bad.cpp").read_text()
        marked = [
            number
            for number, line in enumerate(source.split("\n"), 1)
            if number > 3
            for _ in re.findall(r"\brefused\b", line.partition("//")[2])
        ]
        self.assertGreater(len(marked), 30)
        self.assertEqual(marked, refused(source))

    def test_words_in_comments_and_literals_are_no_code(self):
        self.assertFalse(refused_in_body('log("f(co_await x)"); // g(co_await y)'))
        self.assertFalse(refused_in_body('auto s = R"(f(co_await x);)";'))

    def test_a_statement_may_span_lines(self):
        self.assertFalse(refused_in_body("auto a =\n  co_await\n  f(\n 1);"))
        self.assertTrue(refused_in_body("g(\n  co_await\n  f(1));"))

    def test_the_line_is_that_of_the_word(self):
        self.assertEqual([3], refused("void f() {\n  g(\n    co_await x);\n}\n"))

    def test_a_lambda_in_an_argument_may_hold_statements_of_its_own(self):
        self.assertFalse(refused_in_body("spawn([&] { co_await f(); });"))
        self.assertTrue(refused_in_body("spawn([&] { g(co_await f()); });"))


if __name__ == "__main__":
    unittest.main()
