#!/usr/bin/python3
"""Time without an owner, and ZooKeeper traffic, on a real ZooKeeper. Prints JSON lines.

    bench/coordination.py PROGRAM [--runs 5] [--partitions 1000] [--crowd 50]

PROGRAM is bench_coordination. Three members, each a process, share the partitions; then one
joins, one leaves cleanly (the leader, and one that does not lead), one is killed. For each
partition that changes hands the time without an owner runs from the end of the one ownership
(release; or the kill) to the next acquire, all on one CLOCK_BOOTTIME.
"""
import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

CLASSES = "/usr/share/java/*"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class server:
    """Apache ZooKeeper, alone, data in a temporary directory, fsync off."""

    def __init__(self, tick_ms):
        self.port = free_port()
        self.home = tempfile.mkdtemp(prefix="muster-bench-")
        with open(f"{self.home}/zoo.cfg", "w") as out:
            out.write(f"tickTime={tick_ms}\ndataDir={self.home}/data\nclientPort={self.port}\n"
                      "clientPortAddress=127.0.0.1\nadmin.enableServer=false\n"
                      "4lw.commands.whitelist=*\nmaxClientCnxns=0\n")
        self.process = subprocess.Popen(
            ["java", "-Dzookeeper.forceSync=no", "-cp", CLASSES,
             "org.apache.zookeeper.server.ZooKeeperServerMain", f"{self.home}/zoo.cfg"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            time.sleep(0.05)
            if "imok" in self.word("ruok"):
                return
        sys.exit("ZooKeeper does not start: is libzookeeper-java installed?")

    def word(self, four):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2) as line:
                line.sendall(four.encode())
                out = b""
                while part := line.recv(65536):
                    out += part
                return out.decode()
        except OSError:
            return ""

    def counts(self):
        text = self.word("srvr")
        received = int(re.search(r"Received: (\d+)", text)[1])
        sent = int(re.search(r"Sent: (\d+)", text)[1])
        zxid = int(re.search(r"Zxid: 0x([0-9a-f]+)", text)[1], 16)
        return received, sent, zxid

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)


class member:
    def __init__(self, program, servers, name, partitions):
        self.name = name
        self.events = []  # (what, t, rest)
        self.leads = False
        self.timeout_ms = 0
        self.process = subprocess.Popen([program, "member", servers, name, str(partitions)],
                                        stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            word, first, *rest = line.split()
            if word == "timeout":
                self.timeout_ms = int(first)
                continue
            if word == "leader":
                self.leads = rest[0] == "1"
            self.events.append((word, int(first), rest))

    def owned(self):
        held = {}
        for what, t, rest in list(self.events):
            if what == "acquire":
                held[rest[0]] = t
            elif what in ("release", "revoke"):
                held.pop(rest[0], None)
        return held


def until(condition, limit=60):
    end = time.time() + limit
    while not condition():
        if time.time() > end:
            sys.exit("the cluster does not come to rest")
        time.sleep(0.01)


def spread(members, partitions):
    counts = [len(one.owned()) for one in members]
    return sum(counts) == partitions and max(counts) - min(counts) <= 1


def gaps_ms(members, lost_at):
    """lost_at: partition -> when its last owner stopped. The next acquire after that, less it."""
    gaps = []
    for partition, end in lost_at.items():
        after = [t for one in members for what, t, rest in list(one.events)
                 if what == "acquire" and rest[0] == partition and t >= end]
        gaps.append((min(after) - end) / 1e6)
    return gaps


def released(members, since):
    return {rest[0]: t for one in members for what, t, rest in list(one.events)
            if what == "release" and t >= since}


def boottime():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def figure(name, values, **more):
    print(json.dumps({"bench": name, "runs": len(values),
                      "median_ms": round(statistics.median(values), 2),
                      "min_ms": round(min(values), 2), "max_ms": round(max(values), 2), **more}),
          flush=True)


def handovers(program, runs, partitions):
    rows = {}
    for _ in range(runs):
        zk = server(500)
        servers = f"127.0.0.1:{zk.port}"
        try:
            run_once(program, servers, partitions, rows)
        finally:
            zk.stop()
    for name in sorted(rows):
        figure(name, rows[name], partitions=partitions, server="Apache ZooKeeper 3.8, alone")


def run_once(program, servers, partitions, rows):
    note = lambda name, value: rows.setdefault(name, []).append(value)
    all_members = [member(program, servers, name, partitions) for name in "ab"]
    until(lambda: spread(all_members, partitions))

    start = boottime()
    all_members.append(member(program, servers, "c", partitions))
    until(lambda: spread(all_members, partitions))
    joined = next(t for what, t, rest in all_members[-1].events if what == "state")
    last = max(t for one in all_members for what, t, _ in one.events if what == "acquire")
    moved = released(all_members, start)
    note("join: session made to balanced", (last - joined) / 1e6)
    gaps = gaps_ms(all_members, moved)
    note("join: partition without owner, median", statistics.median(gaps))
    note("join: partition without owner, worst", max(gaps))

    for kind, pick in (("clean leave", lambda m: not m.leads),
                       ("clean leave of the leader", lambda m: m.leads)):
        gone = next(one for one in all_members if pick(one))
        rest = [one for one in all_members if one is not gone]
        start = boottime()
        gone.process.send_signal(signal.SIGTERM)
        gone.process.wait()
        until(lambda: spread(rest, partitions))
        lost = released([gone], start)
        gaps = gaps_ms(rest, lost)
        note(f"{kind}: partition without owner, median", statistics.median(gaps))
        note(f"{kind}: partition without owner, worst", max(gaps))
        if "leader" in kind:
            left = next(t for what, t, _ in gone.events if what == "left")
            lost_lead = next(t for what, t, r in gone.events if what == "leader" and r[0] == "0")
            leads = min(t for one in rest for what, t, r in one.events
                        if what == "leader" and r[0] == "1" and t >= start)
            note("clean leave of the leader: nobody leads", (leads - min(lost_lead, left)) / 1e6)
        all_members = rest + [member(program, servers, gone.name, partitions)]
        until(lambda: spread(all_members, partitions))

    victim = next(one for one in all_members if not one.leads)
    rest = [one for one in all_members if one is not victim]
    held = victim.owned()
    killed = boottime()
    victim.process.kill()
    victim.process.wait()
    until(lambda: spread(rest, partitions))
    gaps = gaps_ms(rest, {partition: killed for partition in held})
    note("SIGKILL, session expiry: partition without owner, median", statistics.median(gaps))
    note("SIGKILL, session expiry: partition without owner, worst", max(gaps))
    note("session timeout in force", victim.timeout_ms)
    for one in rest:
        one.process.terminate()
    for one in rest:
        one.process.wait()


def traffic(program, crowd):
    zk = server(2000)
    try:
        process = subprocess.Popen([program, "crowd", f"127.0.0.1:{zk.port}", str(crowd)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(3)

        def ask(text):
            process.stdin.write(text + "\n")
            process.stdin.flush()
            return process.stdout.readline()

        def watch(seconds, command=None):
            before = zk.counts()
            start = time.time()
            if command:
                ask(command)
            time.sleep(max(0, seconds - (time.time() - start)))
            after = zk.counts()
            # Each request has one reply; what is sent beyond is watch events.
            return after[2] - before[2], (after[1] - before[1]) - (after[0] - before[0])

        span = 4.0
        idle = statistics.median(watch(span)[0] for _ in range(3))
        rows = {"join": [], "leave": []}
        for i in range(5):
            rows["join"].append(watch(span, f"join extra{i}"))
            rows["leave"].append(watch(span, f"leave extra{i}"))
        print(json.dumps({"bench": "traffic: idle", "members": crowd,
                          "writes_per_s": round(idle / span, 1),
                          "note": "heartbeats: multis of checks, which wake nobody"}), flush=True)
        for name, pairs in rows.items():
            print(json.dumps({"bench": f"traffic: one member {name}s", "members": crowd,
                              "runs": len(pairs),
                              "writes_beyond_idle_median":
                                  statistics.median(w - idle for w, _ in pairs),
                              "watch_events_median": statistics.median(e for _, e in pairs)}),
                  flush=True)
        process.kill()
        process.wait()
    finally:
        zk.stop()


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("program")
    parse.add_argument("--runs", type=int, default=5)
    parse.add_argument("--partitions", type=int, default=1000)
    parse.add_argument("--crowd", type=int, default=50)
    parse.add_argument("--only", choices=["handovers", "traffic"])
    wanted = parse.parse_args()
    print(json.dumps({"machine": platform.processor() or platform.machine(),
                      "cores": os.cpu_count(), "kernel": platform.release()}), flush=True)
    if wanted.only != "traffic":
        handovers(wanted.program, wanted.runs, wanted.partitions)
    if wanted.only != "handovers":
        traffic(wanted.program, wanted.crowd)


main()
