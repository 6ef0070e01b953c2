"""Each real client pairs with a vault of its own, shares a photo, and gets it back, byte for byte.

Usage: real_clients.py PROGRAMS ROOT QXMPP: the unpacked Debian 13 and what was built in it. scripts/clients.sh gives it the room it needs.
"""
import hashlib
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

import alone
import photos
import qxmpp
from dino import Dino
from profanity import Profanity
from stage import OWNER, PATIENCE, Failed, Stage, check, pairing_code


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def wait(what, holds):
    end = time.monotonic() + PATIENCE
    while not (found := holds()):
        check(time.monotonic() < end, f"waited in vain for {what}")
        time.sleep(0.2)
    return found


def with_profanity(stage, code, photo):
    client = stage.also(Profanity(stage.folder / "profanity"))
    client.open_conversation(alone.password(OWNER))
    client.say(code)
    client.hear("Paired")
    client.share(photo)
    client.hear("#1 .*stored")
    client.say("get 1")
    back = client.save()
    wait("the photo as it was sent", lambda: back.exists() and sha256(back) == sha256(photo))


def with_dino(stage, code, photo):
    client = stage.also(Dino(stage.folder / "dino"))
    client.make_account(alone.password(OWNER))
    client.open_conversation()
    client.say(code)
    client.hear("Paired")
    before = alone.blobs(stage.vault.drive)
    client.paste(photo)
    client.until("a sealed blob", lambda: alone.blobs(stage.vault.drive) > before)
    client.say("get 1")
    sent = client.until("what it sent", lambda: client.files(sent=True))[0]
    back = client.until("the photo", lambda: client.files(sent=False))[0]
    check(sha256(back) == sha256(sent), "the photo did not come back as it was sent")


def with_qxmpp(stage, code, photo):
    client = stage.also(qxmpp.Qxmpp(stage.folder / "qxmpp", sys.argv[2], sys.argv[3],
                                    alone.password(OWNER)))
    client.say(code)
    client.hear("heard", "Paired")
    client.share(photo)
    client.hear("heard", "#1 .*stored")
    client.say("get 1")
    back = client.hear("saved", "")
    check(sha256(back) == sha256(photo), "the photo did not come back as it was sent")


CLIENTS = {"profanity": with_profanity, "dino-im": with_dino, "qxmpp": with_qxmpp}


def version(package):
    if package == "qxmpp":
        return qxmpp.version(sys.argv[2])
    found = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package],
                           capture_output=True, text=True)
    return found.stdout or "?"


def main(programs):
    rows = []
    for package, play in CLIENTS.items():
        print(f"== {package} {version(package)}", flush=True)
        started = time.monotonic()
        try:
            with Stage() as stage:
                said = alone.set_up(stage, programs)
                photo = photos.make(stage.folder / "camera")[0]
                with Image.open(photo) as image:
                    small = photo.with_name("photo.png")
                    image.resize((1600, 1200)).save(small)
                stage.vault.start()
                play(stage, pairing_code(said), small)
                told = "paired, photo in, the same photo back"
        except Failed as trouble:
            print(f"error: {trouble}", file=sys.stderr)
            told = "FAILED"
        rows.append(f"{package:<12} {version(package):<12} {time.monotonic() - started:4.0f}s  {told}")
    print("\n" + "\n".join(rows))
    return any("FAILED" in row for row in rows)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
