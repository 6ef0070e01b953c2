"""The test phone with what the bench asks beyond it: large files as streams, and a stopwatch.

Like tests/peers/phone.py a program of its own, because of the licences of what it imports.
"""
import asyncio
import hashlib
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/peers"))
import phone  # noqa: E402


class BenchPhone(phone.Phone):
    awaited = None

    def report_ratchet(self, namespace, encrypted, about, own):
        # The first that is done with an encrypted message, before it is decrypted.
        if self.awaited is not None and not self.awaited.done() and about["carbon"] is None:
            self.awaited.set_result(time.perf_counter())
        super().report_ratchet(namespace, encrypted, about, own)

    async def receive_file(self, link, about):
        """Decrypts what comes as it comes, and keeps nothing but its hash."""
        secret = bytes.fromhex(urlsplit(link).fragment)
        cipher = Cipher(algorithms.AES(secret[-32:]), modes.GCM(secret[:-32])).decryptor()
        digest, size, held = hashlib.sha256(), 0, b""
        try:
            url = "https://" + link.removeprefix("aesgcm://").split("#")[0]
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(600)) as session:
                async with session.get(url, ssl=self.http_tls) as answer:
                    answer.raise_for_status()
                    async for piece in answer.content.iter_chunked(1 << 18):
                        held += piece
                        ready, held = held[:-phone.TAG_BYTES], held[-phone.TAG_BYTES:]
                        content = cipher.update(ready)
                        digest.update(content)
                        size += len(content)
            cipher.finalize_with_tag(held)
        except Exception as error:
            phone.emit("file-error", **about, error=f"{type(error).__name__}: {error}")
            return
        phone.emit("file", **about, size=size, sha256=digest.hexdigest())

    async def do_stopwatch(self, to, text, rounds):
        """Asks and pings by turns; seconds from a stanza's sending to its answer's arrival."""
        answers, pings = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            await self.plugin["xep_0199"].send_ping(self.boundjid.host, timeout=30)
            pings.append(time.perf_counter() - began)
            self.awaited = asyncio.get_event_loop().create_future()
            await self.do_send_text(to, text, receipt=False)
            began = time.perf_counter()
            answers.append(await asyncio.wait_for(self.awaited, 30) - began)
            # The next message needs the session as this answer leaves it.
            async with self.order:
                pass
        return {"answers": answers, "pings": pings}


phone.Phone = BenchPhone
sys.exit(phone.main())
