#!/usr/bin/python3
"""Our ZooKeeper client beside the official C client, on a real ZooKeeper and on the keeper.

    bench/zookeeper_client.py PROGRAM [--rounds 5] [--operations 5000]

PROGRAM is bench_zookeeper_client. Prints one JSON line for each server, placement and measure:
medians over the rounds of both clients, and the ratios. Placement "one core": program and server
share core 0, so that no figure depends on which core the scheduler wakes; "free": it decides.
"""
import argparse
import collections
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time


class server:
    """Apache ZooKeeper, alone, data in memory where that is possible, fsync off."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self.home = tempfile.mkdtemp(prefix="muster-bench-", dir=memory)
        with open(f"{self.home}/zoo.cfg", "w") as out:
            out.write(f"tickTime=2000\ndataDir={self.home}/data\nclientPort={self.port}\n"
                      "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
                      "maxClientCnxns=0\n")
        self.process = subprocess.Popen(
            ["java", "-Dzookeeper.forceSync=no", "-cp", "/usr/share/java/*",
             "org.apache.zookeeper.server.ZooKeeperServerMain", f"{self.home}/zoo.cfg"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(400):
            time.sleep(0.05)
            try:
                with socket.create_connection(("127.0.0.1", self.port), 2) as line:
                    line.sendall(b"srvr")
                    if b"Mode:" in line.recv(65536):
                        return
            except OSError:
                pass
        sys.exit("ZooKeeper does not start: is libzookeeper-java installed?")

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


def measure(program, where, rounds, operations, core):
    command = [program, where, str(rounds), str(operations)]
    pin = (lambda: os.sched_setaffinity(0, {0})) if core else None
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, preexec_fn=pin
    ).stdout
    figures = collections.defaultdict(lambda: collections.defaultdict(list))
    for line in output.splitlines():
        one = json.loads(line)
        for key in ("p50_us", "ops_per_s", "cpu_us_per_op"):
            figures[one["what"]][one["client"], key].append(one[key])
    return figures


def report(name, placement, figures):
    for what, columns in figures.items():
        median = {key: statistics.median(values) for key, values in columns.items()}
        line = {
            "bench": "zookeeper_client",
            "server": name,
            "placement": placement,
            "what": what,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        }
        for client in ("muster", "c"):
            for key in ("p50_us", "ops_per_s", "cpu_us_per_op"):
                line[f"{client}_{key}"] = round(median[client, key], 2)
        for key in ("p50_us", "ops_per_s", "cpu_us_per_op"):
            line[f"ratio_{key}"] = round(median["muster", key] / median["c", key], 3)
        print(json.dumps(line), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("program")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--operations", type=int, default=5000)
    asked = arguments.parse_args()
    for core in (True, False):
        placement = "one core" if core else "free"
        report("keeper", placement,
               measure(asked.program, "keeper", asked.rounds, asked.operations, core))
        real = server()
        try:
            if core:
                for task in os.listdir(f"/proc/{real.process.pid}/task"):
                    os.sched_setaffinity(int(task), {0})
            report("zookeeper", placement,
                   measure(asked.program, f"127.0.0.1:{real.port}", asked.rounds,
                           asked.operations, core))
        finally:
            real.stop()


if __name__ == "__main__":
    main()
