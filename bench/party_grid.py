#!/usr/bin/python3
"""Import and read rate of the party grid through one of its three members. Prints JSON lines.

    bench/party_grid.py BIN [--rounds 5] [--seconds 3] [--store sqlite|postgres://…]

BIN is the folder of muster, party_grid and bench_party_grid. Each round starts a keeper and three
members with an empty store; member, other members, store and load share one machine. The last
lines are the medians of the rounds. What is measured stands in bench/party_grid.cpp.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


class grid:
    def __init__(self, folder, store):
        self.home = tempfile.mkdtemp(prefix="muster-bench-")
        self.running = []
        keeper = self.start([f"{folder}/muster", "keeper", "--listen", "127.0.0.1:0"])
        where = keeper.stdout.readline().split()[1]
        self.members = []
        for name in "abc":
            member = self.start(
                [f"{folder}/party_grid", "--name", name, "--cluster", "bench", "--zookeeper", where,
                 "--http", "127.0.0.1:0", "--store", store or f"{self.home}/records.db",
                 "--min-members", "3"])
            self.members.append(member.stdout.readline().split()[3].split("/")[2])
        time.sleep(2)  # The first plan, and its acquires.

    def start(self, words):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=self.home)
        self.running.append(process)
        return process

    def end(self):
        for process in reversed(self.running):  # Members before their keeper.
            process.kill()
            process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def main():
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("bin")
    words.add_argument("--rounds", type=int, default=5)
    words.add_argument("--seconds", default="3")
    words.add_argument("--store", default="")
    given = words.parse_args()
    folder = os.path.abspath(given.bin)
    print(json.dumps({"machine": platform.machine(), "cores": os.cpu_count(),
                      "system": platform.platform(), "rounds": given.rounds}), flush=True)
    kinds = [("import", "3", "1"), ("read_many", "2", "1"), ("read", "1", "1"), ("read", "8", "1"),
             ("read", "8", "16"), ("write", "1", "1"), ("write", "32", "1")]
    seen = {}
    for _ in range(given.rounds):
        three = grid(folder, given.store)
        try:
            for what, connections, depth in kinds:
                out = subprocess.run(
                    [f"{folder}/bench_party_grid", three.members[0], what, given.seconds,
                     connections, depth], capture_output=True, text=True)
                if out.returncode != 0:
                    sys.exit(f"{what}: {out.stderr}")
                print(out.stdout, end="", flush=True)
                seen.setdefault((what, connections, depth), []).append(json.loads(out.stdout))
        finally:
            three.end()
    for (what, connections, depth), lines in seen.items():
        median = {"median": what, "connections": int(connections), "depth": int(depth)}
        for figure in ("per_second", "seconds", "p50_us", "p99_us"):
            if figure in lines[0] and (figure != "seconds" or what in ("import", "read_many")):
                median[figure] = statistics.median(one[figure] for one in lines)
        print(json.dumps(median), flush=True)


main()
