"""A second network cable of the virtual Pi, with a neighbour at its other end who tries every port.

Raw frames over a socket of the emulator; knows Ethernet, IPv6, TCP and UDP as far as it needs.
"""
import select
import socket
import struct
import time

from stage import Failed, check

OURS_MAC = bytes.fromhex("020000005a5a")
OURS = socket.inet_pton(socket.AF_INET6, "fe80::5a5a")
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
ICMP, TCP, UDP = 58, 6, 17
SYN, SYN_ACK, RST = 0x02, 0x12, 0x04
PORTS = range(1, 65536)
# So many are asked before answers are read: more than the machine's queue would be lost.
BURST = 64


def checksum(next_header, source, target, payload):
    """RFC 8200 8.1"""
    data = source + target + struct.pack("!I3xB", len(payload), next_header) + payload
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF) or 0xFFFF


class Wire:
    """The neighbour's end of the cable."""

    def __init__(self, line):
        self.line, self.got = line, b""
        self.pi = self.pi_mac = None

    def close(self):
        self.line.close()

    # ---------------------------------------------------------------- frames
    def _send(self, next_header, payload, place, target=None, mac=None):
        """Sends a packet whose checksum is to be filled in at `place`."""
        target, mac = target or self.pi, mac or self.pi_mac
        right = struct.pack("!H", checksum(next_header, OURS, target, payload))
        payload = payload[:place] + right + payload[place + 2:]
        packet = struct.pack("!IHBB", 6 << 28, len(payload), next_header, 255) + OURS + target + payload
        frame = mac + OURS_MAC + b"\x86\xdd" + packet
        self.line.sendall(struct.pack("!I", len(frame)) + frame)

    def _frames(self, patience):
        """Yields what comes until nothing has come for so long."""
        while True:
            while len(self.got) >= 4:
                length = struct.unpack_from("!I", self.got)[0]
                if len(self.got) < 4 + length:
                    break
                frame, self.got = self.got[4:4 + length], self.got[4 + length:]
                yield frame
            if not select.select([self.line], [], [], patience)[0]:
                return
            part = self.line.recv(65536)
            if not part:
                raise Failed("the cable was cut")
            self.got += part

    def _packets(self, patience):
        """Yields kind and payload of what the machine sends us; answers who we are."""
        for frame in self._frames(patience):
            if frame[12:14] != b"\x86\xdd" or len(frame) < 54:
                continue
            kind, source, target, payload = frame[20], frame[22:38], frame[38:54], frame[54:]
            # "Who has this address?" and the answer. RFC 4861 4.3, 4.4
            if kind == ICMP and payload[0] == 135 and payload[8:24] == OURS:
                answer = struct.pack("!BBHI", 136, 0, 0, 0x6000_0000) + OURS + b"\x02\x01" + OURS_MAC
                self._send(ICMP, answer, 2, source, frame[6:12])
            elif target == OURS:
                yield kind, source, frame[6:12], payload

    # ---------------------------------------------------------------- questions
    def find(self, patience=120):
        """Asks all who are there, and takes the one who answers for the machine."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            echo = struct.pack("!BBHHH", 128, 0, 0, 0x5A5A, 1)
            self._send(ICMP, echo, 2, ALL_NODES, bytes.fromhex("333300000001"))
            for kind, source, mac, payload in self._packets(1):
                if kind == ICMP and payload[0] == 129:
                    self.pi, self.pi_mac = source, mac
                    return
        raise Failed("the machine does not answer its neighbour")

    def tcp(self, ports=PORTS):
        """Returns which ports are open, and which say that they are not."""
        def ask(port):
            head = struct.pack("!HHIIBBHHH", 0x5A5A, port, 1, 0, 5 << 4, SYN, 1024, 0, 0)
            self._send(TCP, head, 16)

        opened, refused = set(), set()
        for payload in self._sweep(TCP, ports, ask):
            if payload[13] & SYN_ACK == SYN_ACK:
                opened.add(struct.unpack_from("!H", payload)[0])
            elif payload[13] & RST:
                refused.add(struct.unpack_from("!H", payload)[0])
        return opened, refused

    def udp(self, ports=PORTS):
        """Returns at which ports the machine says that nobody is there."""
        def ask(port):
            self._send(UDP, struct.pack("!HHHH", 0x5A5A, port, 9, 0) + b"?", 6)

        refused = set()
        for payload in self._sweep(ICMP, ports, ask):
            # "Port unreachable" has our packet in it. RFC 4443 3.1
            if payload[:2] == b"\x01\x04" and len(payload) >= 52:
                refused.add(struct.unpack_from("!H", payload, 50)[0])
        return refused

    def _sweep(self, kind, ports, ask):
        ports = list(ports)
        for start in range(0, len(ports), BURST):
            for port in ports[start:start + BURST]:
                ask(port)
            yield from self._answers(kind, 0)
        yield from self._answers(kind, 3)

    def _answers(self, kind, patience):
        for found, source, _mac, payload in self._packets(patience):
            if found == kind and source == self.pi:
                yield payload


def connect(machine):
    """Takes the other end of a machine's second cable."""
    line = machine.connect("wire")
    line.setblocking(True)
    wire = Wire(line)
    wire.find()
    check(wire.pi is not None, "nobody there")
    return wire
