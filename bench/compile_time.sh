#!/usr/bin/env bash
# How long a file that includes <muster/muster.hpp> takes to compile: the header alone, and the
# program of README.md, with both compilers, at -O0 and -O2. JSON on stdout.
#
#   bench/compile_time.sh [RUNS]      medians of RUNS runs, 5 by default
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec /usr/bin/python3 - "${1:-5}" <<'END'
import json, os, pathlib, platform, statistics, subprocess, sys, tempfile

runs = int(sys.argv[1])
header = "#include <muster/muster.hpp>\n"
programs = {"header": header, "shop": pathlib.Path("examples/shop/shop.cpp").read_text()}


def cpu():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def seconds(compiler, level, file, out):
    # The processor's time, not the wall's: others may use the machine.
    words = [compiler, "-std=c++23", level, "-Iinclude", "-c", file, "-o", out]
    before = os.times()
    subprocess.run(words, check=True)
    after = os.times()
    return (after.children_user + after.children_system
            - before.children_user - before.children_system)


figures = []
with tempfile.TemporaryDirectory() as here:
    for what, text in programs.items():
        file = os.path.join(here, what + ".cpp")
        pathlib.Path(file).write_text(text)
        for compiler in ("g++", "clang++-19"):
            for level in ("-O0", "-O2"):
                took = [seconds(compiler, level, file, os.path.join(here, "out.o"))
                        for _ in range(runs)]
                figures.append({"file": what, "compiler": compiler, "level": level,
                                "seconds": round(statistics.median(took), 3)})
json.dump({"schema": "muster.bench/1", "bench": "compile_time", "runs": runs,
           "measure": "median processor seconds of one compilation",
           "machine": {"cpu": cpu(), "cores": os.cpu_count(), "kernel": platform.release()},
           "results": figures}, sys.stdout)
print()
END
