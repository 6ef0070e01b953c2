"""The line protocol between the differential test and a foreign OMEMO library.

One JSON object a line each way. A request names an operation and a peer (each number is a device
of its own); the answer holds its result or {"error": name}, and in "sent" whatever the library
sent by itself meanwhile. Bytes are hex.
"""

import json
import sys

OUR_JID = "phone@example.org"
THEIR_JID = "vault@example.org"
NAMESPACE = "eu.siacs.conversations.axolotl"


def serve(make_peer):
    """Answers requests from standard input until it ends."""
    peers = {}
    for line in sys.stdin:
        request = json.loads(line)
        number = request["peer"]
        if number not in peers:
            peers[number] = make_peer(number)
        peer = peers[number]
        try:
            answer = getattr(peer, "do_" + request["op"])(request)
        except Exception as why:  # every refusal of the library is an answer to the test
            answer = {"error": type(why).__name__, "why": str(why)[:200]}
        answer["sent"] = peer.take_sent()
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
