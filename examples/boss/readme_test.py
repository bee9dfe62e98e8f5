#!/usr/bin/python3
"""The program that README.md shows is the one that is built and tested."""

import pathlib
import sys

program = pathlib.Path("examples/boss/boss.cpp").read_text()
same = f"```cpp\n{program}```" in pathlib.Path("README.md").read_text()
print("the same" if same else "README.md does not show examples/boss/boss.cpp as it is")
sys.exit(not same)
