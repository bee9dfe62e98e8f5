#!/usr/bin/python3
"""The program that README.md and the first steps show is the one that is built and tested."""

import pathlib
import sys

program = pathlib.Path("examples/shop/shop.cpp").read_text()
lines = program.count("\n")
wrong = [] if lines == 23 else [f"examples/shop/shop.cpp has {lines} lines, not 23"]
for page in ("README.md", "docs/guide/first-steps.md"):
    if f"```cpp\n{program}```" not in pathlib.Path(page).read_text():
        wrong.append(f"{page} does not show examples/shop/shop.cpp as it is")
print("\n".join(wrong) or "the same everywhere")
sys.exit(bool(wrong))
