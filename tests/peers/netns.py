#!/usr/bin/env python3
"""Runs a program where there is nothing but loopback, and tells where it connects to.

Usage: netns.py SOCKET PORT PROGRAM ARGUMENT…, in a network namespace of its own. What connects to PORT
reaches the Unix socket SOCKET, which is outside. Every address and port that is sent to is printed
once: "sent to tcp 127.0.0.1 9050". The program takes the place of this process.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 3, 0x0800, 0x86DD
PR_SET_PDEATHSIG = 1


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | IFF_UP))


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def relay(listener: socket.socket, path: str) -> None:
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(path)
        except OSError:
            near.close()
            continue
        for ends in (near, far), (far, near):
            threading.Thread(target=pump, args=ends, daemon=True).start()


def target(kind: int, packet: bytes) -> str | None:
    if kind == ETH_P_IP:
        start, protocol = (packet[0] & 15) * 4, packet[9]
        address = socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif kind == ETH_P_IPV6:
        start, protocol = 40, packet[6]
        address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        return None
    port = int.from_bytes(packet[start + 2:start + 4], "big")
    if protocol == socket.IPPROTO_UDP:
        return f"udp {address} {port}"
    # the first packet of a connection: SYN without ACK
    if protocol == socket.IPPROTO_TCP and packet[start + 13] & 0x12 == 0x02:
        return f"tcp {address} {port}"
    return None


def watch(wire: socket.socket) -> None:
    seen = set()
    while True:
        packet, (_, kind, *_) = wire.recvfrom(65536)
        found = target(kind, packet[14:])
        if found and found not in seen:
            seen.add(found)
            print("sent to", found, flush=True)


def main() -> None:
    path, port, *program = sys.argv[1:]
    loopback_up()
    listener = socket.create_server(("127.0.0.1", int(port)))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    wire.bind(("lo", 0))
    if os.fork() > 0:
        os.execvp(program[0], program)
    # The helper ends with the program.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=relay, args=(listener, path), daemon=True).start()
    watch(wire)


main()
