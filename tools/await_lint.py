#!/usr/bin/python3
"""Refuses the forms of co_await that GCC 12 miscompiles, or that read as if it did not matter.

The rule: co_await is a whole statement, or the whole initialiser of one named variable, also in
the head of `if` and `while`; and an awaited call is given names and fields, never a braced
temporary or a lambda that captures by value. GCC 12 destroys temporaries of the other forms
twice, or resumes in the wrong frame (docs/internals/coroutines.md).

This is a check of text, not of types: it errs on the strict side, and the remedy is always the
same, one more named variable.

    await_lint.py FILE...      complains as FILE:LINE: what to write; exits 1 if it did
"""

import pathlib
import re
import sys

import cpp_text

AWAIT = re.compile(r"\bco_await\b")
OPEN = {")": "(", "]": "[", "}": "{"}
CLOSE = {"(": ")", "[": "]", "{": "}"}
LABEL = re.compile(r"^(?:case\b[^;{}?]*?[^:]|default|\w+)\s*:(?!:)\s*")
HEAD = re.compile(r"^(?:if|while|for|switch)\b\s*(?:constexpr\s*)?(?=\()")
BARE_HEAD = re.compile(r"^(?:else|do)\b\s*")
ATTRIBUTE = re.compile(r"^\[\[.*?\]\]\s*", re.DOTALL)
DECLARATION = re.compile(r"^(?:[\w:]+\s+)*[\w:]+\s*[&*]*\s*\b\w+\s*=$")
NOT_A_TYPE = re.compile(r"^(?:return|co_return|co_yield|throw|case|goto|delete|new)\b")
BRACED = re.compile(r"([\w:>]*)\s*\{")
TRIVIAL_BRACED = re.compile(
    r"(?:^|::)(?:nano|micro|milli)?seconds$|(?:^|::)(?:minutes|hours)$|(?:^|::)duration$"
)
LAMBDA = re.compile(r"(?:^|[(,=])\s*\[(?!\[)([^\]]*)\]")


def skip_back(text, at):
    """The index of the bracket that opens what closes at `at`, or -1."""
    depth = 0
    for i in range(at, -1, -1):
        if text[i] in OPEN:
            depth += 1
        elif text[i] in CLOSE:
            depth -= 1
            if depth == 0:
                return i
    return -1


def skip_on(text, at):
    """The index of the bracket that closes what opens at `at`, or the end."""
    depth = 0
    for i in range(at, len(text)):
        if text[i] in CLOSE:
            depth += 1
        elif text[i] in OPEN:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def before(text, at):
    """What stands before `at` in its statement or bracket, and the index of what opens that."""
    i = at - 1
    while i >= 0:
        c = text[i]
        if c in ";{([":
            return text[i + 1 : at], i
        if c == "}":
            # A block that ends here ends a statement too; a braced value does not.
            start = skip_back(text, i)
            lead = text[:start].rstrip()
            if not lead or lead[-1] in ";{})" or re.search(r"\b(?:else|do|try|const)$", lead):
                return text[i + 1 : at], i
            i = start - 1
            continue
        if c in ")]":
            i = skip_back(text, i) - 1
            continue
        i -= 1
    return text[:at], -1


def operand(text, at):
    """What stands behind the co_await that ends at `at`, and the index of what closes it."""
    i = at
    while i < len(text):
        if text[i] in ";)]}":
            return text[at:i], i
        if text[i] in CLOSE:
            i = skip_on(text, i)
        i += 1
    return text[at:], len(text)


def without_heads(prefix):
    """The prefix without labels, attributes and the heads of unbraced branches and loops."""
    while True:
        prefix = prefix.lstrip()
        for form in (ATTRIBUTE, BARE_HEAD, LABEL):
            found = form.match(prefix)
            if found:
                prefix = prefix[found.end() :]
                break
        else:
            found = HEAD.match(prefix)
            if not found:
                return prefix
            end = skip_on(prefix, found.end())
            if end >= len(prefix):
                return prefix
            prefix = prefix[end + 1 :]


def without_template_arguments(text):
    """The text without balanced <...>, innermost first; comparisons are left alone."""
    while True:
        shorter = re.sub(r"<[^<>;{}]*>", "", text)
        if shorter == text:
            return text
        text = shorter


def is_declaration(prefix):
    """Whether the prefix is `type name =`, for one name."""
    prefix = without_template_arguments(prefix).strip()
    prefix = re.sub(r"\bdecltype\s*\(auto\)", "auto", prefix)
    return bool(DECLARATION.match(prefix)) and not NOT_A_TYPE.match(prefix)


def is_single_operand(text):
    """Whether the text is one postfix expression: names, calls and member accesses."""
    flat = ""
    i = 0
    while i < len(text):
        if text[i] in CLOSE:
            flat += text[i] + CLOSE[text[i]]
            i = skip_on(text, i)
        else:
            flat += text[i]
        i += 1
    # A comparison would need blanks around it in this house; arguments of a template have none.
    flat = re.sub(r"(?<=\w)<[^;{}]*?>(?=[\s(:.]|$)", "", flat)
    flat = re.sub(r"\b(?:template|typename)\b", "", flat)
    flat = re.sub(r"\s*(->|::|\.)\s*", r"\1", flat).strip()
    name = r"(?:::)?[A-Za-z_]\w*(?:::~?[A-Za-z_]\w*)*"
    tail = r"(?:\s*\(\)|\s*\[\]|\s*\{\}|(?:\.|->)[A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)*"
    return bool(re.fullmatch(rf"[*&]*\s*(?:{name}|\(\))\s*{tail}", flat))


def without_lambda_bodies(text):
    while True:
        for found in LAMBDA.finditer(text):
            body = text.find("{", found.end())
            if body >= 0:
                text = text[: found.start() + 1] + text[skip_on(text, body) + 1 :]
                break
        else:
            return text


def argument_trouble(text):
    """What is wrong with the arguments of an awaited call, or None."""
    for braced in BRACED.finditer(without_lambda_bodies(text)):
        if not TRIVIAL_BRACED.search(braced.group(1)):
            return "an awaited call takes no braced temporary: name it in a statement of its own"
    for captures in LAMBDA.finditer(text):
        for capture in filter(None, (c.strip() for c in captures.group(1).split(","))):
            if not capture.startswith("&") and capture != "this":
                return "an awaited call takes no lambda that captures by value: name it first"
    return None


def trouble(text, start, end):
    """What is wrong with the co_await at text[start:end], or None."""
    line = text[text.rfind("\n", 0, start) + 1 : start]
    if line.lstrip().startswith("#"):
        return "co_await does not belong into a macro"
    if re.search(r"\boperator\s*$", text[:start]):
        return None
    prefix, opened = before(text, start)
    awaited, closed = operand(text, end)
    opener = text[opened] if opened >= 0 else ""
    closer = text[closed] if closed < len(text) else ""

    bracket = opened
    while bracket >= 0 and text[bracket] in ";}":
        _, bracket = before(text, bracket)
    if bracket >= 0 and text[bracket] == "(":
        return head_trouble(text, bracket, prefix.strip(), awaited)
    prefix = without_heads(prefix)
    if opener == "[" or closer != ";":
        return "co_await stands in no braces, brackets or arguments: name its result first"
    if prefix and not is_declaration(prefix):
        return "co_await is a whole statement or the whole initialiser of one named variable"
    return operand_trouble(awaited)


def head_trouble(text, bracket, prefix, awaited):
    """The same for a co_await inside the round brackets that open at `bracket`."""
    keyword = re.search(r"(\w+)\s*$", text[:bracket])
    if not keyword or keyword.group(1) not in ("if", "while"):
        return "co_await stands in no arguments and no brackets: name its result first"
    if not prefix:
        return "a bare co_await is no condition: write `if (auto r = co_await ...; r)`"
    if not is_declaration(prefix):
        return "in a condition, co_await is the whole initialiser of one named variable"
    return operand_trouble(awaited)


def operand_trouble(awaited):
    if not is_single_operand(awaited):
        return "nothing follows an awaited call in its statement: go on in the next one"
    return argument_trouble(awaited)


def complaints(source):
    """Pairs of line and sentence, in the order of the source."""
    text = cpp_text.blank(source)
    for found in AWAIT.finditer(text):
        why = trouble(text, found.start(), found.end())
        if why:
            yield cpp_text.line_of(text, found.start()), why


def main(names):
    complained = False
    for name in names:
        for line, why in complaints(pathlib.Path(name).read_text(encoding="utf-8")):
            print(f"{name}:{line}: {why}")
            complained = True
    return 1 if complained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
