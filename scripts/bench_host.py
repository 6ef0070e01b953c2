"""A host of files over HTTPS that costs as little as Python can make it cost: GET and PUT.

Usage: bench_host.py FOLDER CERTIFICATE KEY PORT; prints its port once it listens. It asks nobody
for a permission, so it is for the loopback address and for bytes that nobody misses.
"""
import http.server
import ssl
import sys
from functools import partial
from pathlib import Path

PIECE_BYTES = 256 * 1024


class Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source, outputfile):
        piece = memoryview(bytearray(PIECE_BYTES))
        while length := source.readinto(piece):
            outputfile.write(piece[:length])

    def do_PUT(self):
        path = Path(self.translate_path(self.path))
        path.parent.mkdir(parents=True, exist_ok=True)
        left = int(self.headers["Content-Length"])
        piece = memoryview(bytearray(PIECE_BYTES))
        with path.open("wb") as out:
            while left and (length := self.rfile.readinto(piece[:min(left, PIECE_BYTES)])):
                out.write(piece[:length])
                left -= length
        self.send_response(400 if left else 201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def main():
    folder, certificate, key, port = sys.argv[1:]
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", int(port)), partial(Handler, directory=folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
