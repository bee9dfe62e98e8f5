"""The two servers that must answer alike: the keeper, and Apache ZooKeeper from Debian's jars."""

import os
import shutil
import socket
import subprocess
import tempfile
import time

TICK_MS = 500
REAP_MS = 400
PER_IP = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def four_letter(port, word, timeout=5.0):
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as link:
        link.sendall(word.encode())
        text = b""
        while chunk := link.recv(65536):
            text += chunk
        return text.decode()


class Keeper:
    name = "keeper"

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program, "--tick-ms", str(TICK_MS), "--reap-ms", str(REAP_MS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if len(ready) != 2:
            raise RuntimeError("the keeper did not start")
        self.port = int(ready[1].rsplit(":", 1)[1])

    def stop(self):
        self.process.stdin.close()
        if self.process.wait(10) != 0:
            raise RuntimeError(f"the keeper ended with {self.process.returncode}")


class RealZooKeeper:
    name = "zookeeper"

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="conformance_zookeeper_")
        self.port = free_port()
        config = os.path.join(self.folder, "zoo.cfg")
        with open(config, "w") as out:
            out.write(f"tickTime={TICK_MS}\ndataDir={self.folder}/data\n"
                      f"clientPort={self.port}\nclientPortAddress=127.0.0.1\n"
                      f"admin.enableServer=false\n4lw.commands.whitelist=*\n"
                      f"maxClientCnxns={PER_IP}\nextendedTypesEnabled=true\n")
        self.log = open(os.path.join(self.folder, "log"), "w")
        self.process = subprocess.Popen(
            ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1",
             f"-Dznode.container.checkIntervalMs={REAP_MS}",
             "-Dzookeeper.forceSync=no", "-cp", "/usr/share/java/*",
             "org.apache.zookeeper.server.quorum.QuorumPeerMain", config],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 30
        while True:
            try:
                if "Mode: standalone" in four_letter(self.port, "srvr"):
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError("Apache ZooKeeper did not start: "
                                   + open(self.log.name).read()[-2000:])
            time.sleep(0.05)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder)
