#!/usr/bin/python3
"""Runs every scenario through every client on the keeper and on Apache ZooKeeper, and compares.

run.py BUILD_FOLDER [--only TEXT] [--clients raw,kazoo,…] [--servers keeper,zookeeper]
run.py BUILD_FOLDER --write-expected
Fails on any answer that a scenario does not expect, on any difference between the servers, and
where a client expresses other scenarios than expected_matrix.txt says; --write-expected writes that
file anew.
"""

import argparse
import glob
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import raw_client
import scenario
import servers
from clients import DriverClient, NotExpressible

HERE = os.path.dirname(os.path.abspath(__file__))
EXPECTED = os.path.join(HERE, "expected_matrix.txt")


def java_command(folder):
    subprocess.run(["javac", "-nowarn", "-cp", "/usr/share/java/*", "-d", folder,
                    os.path.join(HERE, "JavaDriver.java")], check=True)
    return ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.x=y", "-cp",
            folder + ":/usr/share/java/*", "JavaDriver"]


class Clients:
    """Makes the clients under test; each run on each server gets new ones."""

    def __init__(self, build):
        self.build = build
        self.folder = tempfile.mkdtemp(prefix="conformance_")
        self.java = None

    def names(self):
        return ["muster", "raw", "kazoo", "c", "java"]

    def make(self, name, port):
        if name == "raw":
            return raw_client.RawClient(port)
        if name == "kazoo":
            command = ["/usr/bin/python3", os.path.join(HERE, "kazoo_driver.py")]
        elif name == "java":
            self.java = self.java or java_command(self.folder)
            command = self.java
        else:
            command = [os.path.join(self.build, "tests", name + "_driver")]
        return DriverClient(name, command, port)


def run_all(chosen, scenarios, server_names, clients, keeper_program):
    outcome = {}  # (scenario, client, server) -> "ok", "n.a." or the mismatch
    records = {}
    for server_name in server_names:
        server = servers.Keeper(keeper_program) if server_name == "keeper" else \
            servers.RealZooKeeper()
        try:
            janitor = raw_client.RawClient(server.port)
            janitor.open("janitor", timeout=10_000)
            for client_name in chosen:
                client = clients.make(client_name, server.port)
                for number, one in enumerate(scenarios):
                    root = "/s%d-%s" % (number, client_name)
                    janitor.open("janitor", timeout=10_000)
                    janitor.call("janitor", "create", [root, b"", "p", scenario.OPEN_ACL, 0])
                    janitor.call("janitor", "drop", [])
                    run = scenario.Run(one, client, server, root)
                    key = (one.name, client_name, server_name)
                    try:
                        run.run()
                        outcome[key] = "ok"
                        records[key] = run.record
                    except NotExpressible:
                        outcome[key] = "n.a."
                    except scenario.Mismatch as problem:
                        outcome[key] = "FAIL"
                        print(f"{server_name}, {client_name}: {one.name}\n   {problem}",
                              flush=True)
                    for session in sorted(run.opened):
                        try:
                            client.call(session, "close", [])
                        except (NotExpressible, OSError, KeyError):
                            pass
                    client.events.clear()
                    if client_name == "raw":
                        client.stop()
                client.stop()
        finally:
            server.stop()
    return outcome, records


def compare_records(scenarios, chosen, records):
    differences = 0
    for one in scenarios:
        for client in chosen:
            keeper = records.get((one.name, client, "keeper"))
            real = records.get((one.name, client, "zookeeper"))
            if keeper is None or real is None or keeper == real:
                continue
            differences += 1
            print(f"{client}: {one.name}: the servers differ")
            for left, right in zip(keeper, real):
                if left != right:
                    print(f"   keeper:    {left}\n   zookeeper: {right}")
    return differences


# --- Which client says what: a driver that gives up must not pass in silence --------------------

def write_expected(scenarios, chosen, server_names, outcome):
    width = max(len(one.name) for one in scenarios)
    with open(EXPECTED, "w") as out:
        out.write("# Which clients express a scenario, on both servers; written by\n"
                  "# run.py BUILD_FOLDER --write-expected\n")
        for one in scenarios:
            able = [c for c in chosen if all(outcome[(one.name, c, s)] == "ok"
                                             for s in server_names)]
            out.write(one.name.ljust(width) + " | " + " ".join(able) + "\n")


def read_expected():
    expected = {}
    with open(EXPECTED) as lines:
        for line in lines:
            if not line.startswith("#"):
                name, _, able = line.rpartition("|")
                expected[name.strip()] = able.split()
    return expected


def compare_expected(scenarios, chosen, server_names, outcome, all_of_them):
    """The number of scenarios that another set of clients expresses than is written down."""
    expected, wrong = read_expected(), 0
    for one in scenarios:
        for client in chosen:
            wanted = "ok" if client in expected.get(one.name, []) else "n.a."
            for server in server_names:
                seen = outcome[(one.name, client, server)]
                if seen not in (wanted, "FAIL"):
                    wrong += 1
                    print(f"{server}, {client}: {one.name}: {seen}, expected {wanted}")
    for name in sorted(set(expected) - {one.name for one in scenarios}) if all_of_them else []:
        wrong += 1
        print(f"expected_matrix.txt: no scenario has the name: {name}")
    if wrong:
        print(f"{wrong} differences from expected_matrix.txt. If they are meant, write it anew:\n"
              "   /usr/bin/python3 tests/conformance/run.py build/dev --write-expected")
    return wrong


def print_matrix(scenarios, chosen, server_names, outcome):
    columns = [(c, s) for c in chosen for s in server_names]
    width = max(len(one.name) for one in scenarios)
    print("\n" + " " * width + "".join("  %-9s" % c for c, _ in columns))
    print(" " * width + "".join("  %-9s" % s for _, s in columns))
    for one in scenarios:
        print(one.name.ljust(width)
              + "".join("  %-9s" % outcome[(one.name, c, s)] for c, s in columns))
    print(f"\n{len(scenarios)} scenarios; run: "
          + ", ".join("%s %d" % (c, sum(outcome[(one.name, c, s)] == "ok"
                                        for one in scenarios for s in server_names))
                      for c in chosen))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--only", default="")
    parser.add_argument("--clients", default="")
    parser.add_argument("--servers", default="keeper,zookeeper")
    parser.add_argument("--write-expected", action="store_true")
    given = parser.parse_args()
    if given.write_expected and (given.only or given.clients):
        parser.error("--write-expected wants every scenario and every client")
    clients = Clients(given.build)
    chosen = given.clients.split(",") if given.clients else clients.names()
    server_names = given.servers.split(",")
    scenarios = [one for path in sorted(glob.glob(os.path.join(HERE, "scenarios", "*.txt")))
                 for one in scenario.load(path) if given.only in one.name]
    keeper_program = os.path.join(given.build, "tests", "serve_keeper")
    outcome, records = run_all(chosen, scenarios, server_names, clients, keeper_program)
    differences = compare_records(scenarios, chosen, records)
    print_matrix(scenarios, chosen, server_names, outcome)
    failures = sum(value == "FAIL" for value in outcome.values())
    never = [one.name for one in scenarios
             if all(outcome[(one.name, c, s)] == "n.a." for c in chosen for s in server_names)]
    for name in never:
        print(f"no client could express: {name}")
    if failures or differences:
        print(f"{failures} failures, {differences} differences")
    bad = failures or differences or (never and not given.clients)
    if given.write_expected and not bad:
        write_expected(scenarios, chosen, server_names, outcome)
    elif not given.write_expected:
        bad = compare_expected(scenarios, chosen, server_names, outcome,
                               not given.only) or bad
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
