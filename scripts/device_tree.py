"""Puts a green lamp, as a Pi has it, into the device tree of QEMU's virtual machine.

Knows the flattened form alone (Devicetree Specification v0.4, 5).
"""
import struct

BEGIN, END, PROPERTY, NOTHING, LAST = 1, 2, 3, 4, 9
# The machine's own chip for lines in and out, and one of its lines that nothing else has.
CHIP, LINE = "pl061@", 5


def padded(data):
    return data + b"\0" * (-len(data) % 4)


def with_lamp(blob):
    """Returns the tree with a lamp named ACT."""
    head = list(struct.unpack_from(">10I", blob))
    words, names = blob[head[2]:head[2] + head[9]], blob[head[3]:head[3] + head[8]]
    chip = struct.pack(">I", _number_of(words, names, CHIP))

    def put(name, value):
        nonlocal names
        at, names = len(names), names + name + b"\0"
        return struct.pack(">III", PROPERTY, len(value), at) + padded(value)

    def node(name, inside):
        return struct.pack(">I", BEGIN) + padded(name + b"\0") + inside + struct.pack(">I", END)

    lamp = node(b"leds", put(b"compatible", b"gpio-leds\0") + node(
        b"led-act", put(b"label", b"ACT\0") + put(b"gpios", chip + struct.pack(">II", LINE, 0))))
    # Before the end of the first node, which is all of it.
    ending = struct.pack(">II", END, LAST)
    assert words.endswith(ending), "the tree ends otherwise"
    words = words[:-len(ending)] + lamp + ending
    between = blob[40:head[2]]
    head[2], head[3] = 40 + len(between), 40 + len(between) + len(words)
    head[8], head[9] = len(names), len(words)
    head[1] = head[3] + len(names)
    return struct.pack(">10I", *head) + between + words + names


def _number_of(words, names, wanted):
    """The phandle of the node whose name begins so."""
    at, path = 0, []
    while True:
        what = struct.unpack_from(">I", words, at)[0]
        at += 4
        if what == BEGIN:
            end = words.index(b"\0", at)
            path.append(words[at:end].decode())
            at += len(padded(words[at:end + 1]))
        elif what == END:
            path.pop()
        elif what == PROPERTY:
            length, name = struct.unpack_from(">II", words, at)
            value = words[at + 8:at + 8 + length]
            at += 8 + len(padded(value))
            if path[-1].startswith(wanted) and names[name:names.index(b"\0", name)] == b"phandle":
                return struct.unpack(">I", value)[0]
        else:
            assert what == NOTHING, f"no {wanted} in the tree"
