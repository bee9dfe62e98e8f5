"""C++ source as plain text: comments and literals blanked, every line and column kept."""

import re

_TOKEN = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | R"(?P<mark>[^()\\\s]{0,16})\(.*?\)(?P=mark)"
      | "(?:\\.|[^"\\\n])*"
      | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'
    """,
    re.DOTALL | re.VERBOSE,
)


def _spaces(text):
    return re.sub(r"[^\n]", " ", text)


def _blank(match):
    text = match.group()
    if text.startswith("/"):
        return _spaces(text)
    # The quotes stay, so that a literal is still seen as an operand.
    return text[0] + _spaces(text[1:-1]) + text[-1]


def blank(source):
    """The source without the words of its comments and literals.

    A digit separator (1'000) is no literal: a quote that follows a digit opens nothing.
    """
    return _TOKEN.sub(_blank, source)


def line_of(source, at):
    """The 1-based number of the line that holds the character at `at`."""
    return source.count("\n", 0, at) + 1
