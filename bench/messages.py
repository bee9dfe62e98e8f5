#!/usr/bin/python3
"""Messages between two processes over loopback, beside other libraries in the same run.

    bench/messages.py BIN [--json] [--plot FILE] [--rounds 5] [--seconds 0.7]
                      [--peers NAME,...] [--modes MODE,...] [--payloads 64,1024]

BIN has Muster's programs; the peers of bench/peers are compiled into BIN/../peers. In each round
every peer measures every mode, one after the other, each time with a new server and a new client,
the server on core 0 and the client on core 1. `oneway` sends, and stops the clock when the
receiver's count has come back; `pp1` and `pp64` ask, with 1 and 64 requests under way.
"""
import argparse
import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import subprocess
import sys

import messages_plot

HERE = pathlib.Path(__file__).resolve().parent / "peers"
CORES = {"server": 0, "client": 1}
MODES = ("oneway", "pp1", "pp64")
STARTS_WITHIN = 20  # seconds
ENDS_WITHIN = 60


class left_out(Exception):
    """Why a peer cannot take part."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pinned(side):
    core = CORES[side]
    return lambda: os.sched_setaffinity(0, {core})


def start(words, side=None):
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True,
                            preexec_fn=pinned(side) if side else None)


def first_line(process):
    if not select.select([process.stdout], [], [], STARTS_WITHIN)[0]:
        return ""
    return process.stdout.readline().strip()


def stop(processes):
    for one in reversed(processes):
        one.kill()
        one.wait()
        one.stdout.close()


def figures(words, pin):
    """What a client prints."""
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, timeout=ENDS_WITHIN,
                          preexec_fn=pin)
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1])


class peer:
    """One that is compiled here, from one source: PROGRAM server PORT, PROGRAM client PORT ..."""

    def __init__(self, name, source, package, headers, flags=(), modes=MODES, words=()):
        self.name, self.source, self.package = name, source, package
        self.headers, self.flags, self.modes, self.words = headers, list(flags), modes, list(words)

    def build(self, out):
        for header in self.headers:
            if not has_header(header):
                raise left_out(f"there is no <{header}>; install {self.package}")
        self.program = str(out / pathlib.Path(self.source).stem)
        sources = [HERE / self.source, HERE / "order.hpp", HERE / "measurement.hpp", __file__]
        if is_older(self.program, sources):
            compile_program(self.program, [HERE / self.source], self.flags)

    def measure(self, mode, payload, seconds):
        port = str(free_port())
        server = start([self.program, "server", port], "server")
        try:
            if first_line(server) != "READY":
                raise RuntimeError(f"the server of {self.name} does not start")
            return figures([self.program, "client", port, mode, str(payload), str(seconds),
                            *self.words], pinned("client"))
        finally:
            stop([server])


class grpc(peer):
    def build(self, out):
        plugin = shutil.which("grpc_cpp_plugin")
        if not plugin or not shutil.which("protoc") or not has_header("grpcpp/grpcpp.h"):
            raise left_out(f"install {self.package}")
        self.program = str(out / "grpc")
        sources = [HERE / "grpc.cpp", HERE / "orders.proto", HERE / "measurement.hpp", __file__]
        if is_older(self.program, sources):
            subprocess.run(["protoc", f"-I{HERE}", f"--cpp_out={out}", f"--grpc_out={out}",
                            f"--plugin=protoc-gen-grpc={plugin}", HERE / "orders.proto"],
                           check=True)
            libraries = subprocess.run(["pkg-config", "--libs", "grpc++", "grpc", "protobuf"],
                                       check=True, stdout=subprocess.PIPE, text=True).stdout
            made = [out / "orders.pb.cc", out / "orders.grpc.pb.cc"]
            compile_program(self.program, [HERE / "grpc.cpp", *made],
                            [f"-I{out}", *libraries.split(), "-labsl_synchronization"])


class erlang(peer):
    """Two nodes that find each other by a port both know, so that no epmd is left behind."""

    def build(self, out):
        if not shutil.which("erlc"):
            raise left_out(f"there is no erlc; install {self.package}")
        self.out = out
        if is_older(out / "erlang_peer.beam", [HERE / self.source]):
            subprocess.run(["erlc", "-o", out, HERE / self.source], check=True)

    def measure(self, mode, payload, seconds):
        each = ["-noshell", "-noinput", "-setcookie", "bench", "-start_epmd", "false",
                "-erl_epmd_port", str(free_port()), "-pa", str(self.out)]
        server = start(["erl", "-name", "orders@127.0.0.1", *each,
                        "-kernel", "inet_dist_use_interface", "{127,0,0,1}",
                        "-s", "erlang_peer", "server"], "server")
        try:
            if first_line(server) != "READY":
                raise RuntimeError("the Erlang server does not start")
            return figures(["erl", "-name", "asker@127.0.0.1", "-dist_listen", "false", *each,
                            "-run", "erlang_peer", "client", "orders@127.0.0.1", mode,
                            str(payload), f"{seconds:.2f}"], pinned("client"))
        finally:
            stop([server])


class muster(peer):
    """Two members of a cluster of their own, on a keeper of their own."""

    def build(self, out):
        self.bin = out.parent / "bin"

    def measure(self, mode, payload, seconds):
        running = [start([self.bin / "muster", "keeper", "--listen", "127.0.0.1:0"])]
        try:
            address = first_line(running[0]).removeprefix("ready ")
            program = self.bin / "bench_messages"
            running.append(start([program, "server", address], "server"))
            if first_line(running[1]) != "READY":
                raise RuntimeError("Muster's server does not start")
            return figures([program, "client", address, mode, str(payload), str(seconds)],
                           pinned("client"))
        finally:
            stop(running)


class mesh(peer):
    """Muster below its processes; the program starts its own server, and pins both."""

    def build(self, out):
        self.program = str(out.parent / "bin" / "bench_mesh")

    def measure(self, mode, payload, seconds):
        return figures([self.program, "--pin", f"{CORES['server']},{CORES['client']}",
                        "--only", f"{mode},{payload}", "--seconds", str(seconds)], None)


PEERS = (
    muster("Muster", None, None, ()),
    mesh("muster mesh", None, None, ()),
    peer("Boost.Asio", "asio.cpp", "libboost1.81-dev", ["boost/asio.hpp"]),
    peer("ZeroMQ", "zeromq.cpp", "libzmq3-dev", ["zmq.h"], ["-lzmq"]),
    erlang("Erlang", "erlang_peer.erl", "erlang-base", ()),
    grpc("gRPC stream", "grpc.cpp", "libgrpc++-dev protobuf-compiler-grpc", ()),
    grpc("gRPC unary", "grpc.cpp", "libgrpc++-dev protobuf-compiler-grpc", (),
         modes=("pp1", "pp64"), words=["unary"]),
    peer("CAF", "caf.cpp", "libcaf-dev", ["caf/all.hpp", "caf/io/all.hpp"],
         ["-std=c++17", "-lcaf_io", "-lcaf_core"]),
)


def has_header(name):
    test = f"#if !__has_include(<{name}>)\n#error\n#endif\n"
    return subprocess.run(["g++", "-E", "-x", "c++", "-", "-o", os.devnull], input=test, text=True,
                          stderr=subprocess.DEVNULL).returncode == 0


def is_older(made, sources):
    made = pathlib.Path(made)
    return not made.exists() or any(
        pathlib.Path(one).stat().st_mtime > made.stat().st_mtime for one in sources)


def compile_program(program, sources, flags):
    print(f"compiling {pathlib.Path(program).name}", file=sys.stderr)
    subprocess.run(["g++", "-std=c++20", "-O2", f"-I{HERE}", *sources, "-o", program, *flags,
                    "-pthread"], check=True)


def built(wanted, out):
    """The peers that can take part; says why others cannot."""
    out.mkdir(parents=True, exist_ok=True)
    ready = []
    for one in wanted:
        try:
            one.build(out)
            ready.append(one)
        except (left_out, subprocess.CalledProcessError) as why:
            print(f"without {one.name}: {why}", file=sys.stderr)
    return ready


def rounds(peers, options):
    """(peer, mode, payload) -> what has been found, by round."""
    found = {}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for mode in options.modes:
            for payload in options.payloads:
                for one in peers:
                    if mode not in one.modes:
                        continue
                    try:
                        got = one.measure(mode, payload, options.seconds)
                    except (RuntimeError, subprocess.TimeoutExpired) as why:
                        print(f"{one.name}, {mode}, {payload} bytes: {why}", file=sys.stderr)
                        continue
                    found.setdefault((one.name, mode, payload), {})[number] = got
    order = [one.name for one in PEERS]
    return dict(sorted(found.items(), key=lambda one: order.index(one[0][0])))


def median_of(runs, key):
    values = [one[key] for one in runs.values() if one[key] is not None]
    return statistics.median(values) if values else None


def medians(found):
    return [{"peer": peer, "mode": mode, "payload": payload,
             "rate": round(median_of(runs, "rate")),
             "p50_us": median_of(runs, "p50_us"), "p99_us": median_of(runs, "p99_us"),
             "rate_min": round(min(one["rate"] for one in runs.values())),
             "rate_max": round(max(one["rate"] for one in runs.values())), "rounds": len(runs)}
            for (peer, mode, payload), runs in found.items()]


def ratio(found, mode, payload, peer, key):
    """Muster's figure over the peer's: the median of the rounds, each with its own neighbour."""
    ours = found.get(("Muster", mode, payload), {})
    theirs = found.get((peer, mode, payload), {})
    each = [ours[number][key] / theirs[number][key] for number in ours.keys() & theirs.keys()]
    return statistics.median(each) if each else None


def short(value):
    if value is None:
        return "–"
    for limit, unit in ((1e6, " M"), (1e3, " k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def table(found, options):
    lines = []
    columns = [(mode, key, name) for mode, key, name in (
        ("oneway", "rate", "one way, a second"), ("pp1", "p50_us", "1 outstanding, p50 µs"),
        ("pp64", "rate", "64 outstanding, a second")) if mode in options.modes]
    for payload in options.payloads:
        heads = " | ".join(f"{name} | Muster / it" for _, _, name in columns)
        lines += ["", f"| {payload} bytes | {heads} |", "|---" * (2 * len(columns) + 1) + "|"]
        for peer in dict.fromkeys(name for name, _, _ in found):
            cells = []
            for mode, key, _ in columns:
                runs = found.get((peer, mode, payload))
                cells.append(short(median_of(runs, key)) if runs else "–")
                times = ratio(found, mode, payload, peer, key) if runs else None
                cells.append(f"{times:.2f}" if times and peer != "Muster" else "")
            lines.append(f"| {peer} | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:])


def words(text):
    return [one.strip() for one in text.split(",") if one.strip()]


def named(part, parser):
    """Those with that name; else those whose names have it in them."""
    part = part.lower()
    exact = [one for one in PEERS if one.name.lower() == part]
    found = exact or [one for one in PEERS if part in one.name.lower()]
    if not found:
        parser.error(f"there is no peer '{part}'")
    return found


def read_options():
    parser = argparse.ArgumentParser(prog="./dev bench messages")
    parser.add_argument("bin", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true", help="medians as JSON lines; the table on stderr")
    parser.add_argument("--plot", metavar="FILE", type=pathlib.Path,
                        help="where they are drawn, as SVG (BIN/../messages.svg)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.7, help="of each measurement")
    parser.add_argument("--peers", type=words, default=[], metavar="NAME,...",
                        help="parts of these names: " + ", ".join(one.name for one in PEERS))
    parser.add_argument("--modes", type=words, default=list(MODES))
    parser.add_argument("--payloads", type=lambda text: [int(one) for one in words(text)],
                        default=[64, 1024])
    options = parser.parse_args()
    options.peers = [one for name in options.peers or [""] for one in named(name, parser)]
    for mode in options.modes:
        if mode not in MODES:
            parser.error(f"there is no mode '{mode}'")
    return options


def main():
    options = read_options()
    if os.cpu_count() < 2:
        sys.exit("two cores are needed, one for each side")
    peers = built([one for one in PEERS if one in options.peers],
                  options.bin.resolve().parent / "peers")
    found = rounds(peers, options)
    figures_found = medians(found)
    if options.json:
        for one in figures_found:
            print(json.dumps(one))
    print(table(found, options), file=sys.stderr if options.json else sys.stdout)
    plot = options.plot or options.bin.resolve().parent / "messages.svg"
    plot.write_text(messages_plot.draw(figures_found), encoding="utf-8")
    print(f"drawn in {os.path.relpath(plot)}", file=sys.stderr)
    expected = sum(mode in one.modes for one in peers for mode in options.modes)
    return 0 if found and len(found) == expected * len(options.payloads) else 1


if __name__ == "__main__":
    sys.exit(main())
