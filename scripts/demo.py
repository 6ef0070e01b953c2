"""An evening with Strongroom, played for somebody who reads along. Usage: demo.py PROGRAMS

Exits with 1 when any step does not do what it has to do.
"""
import base64
import hashlib
import os
import re
import shlex
import sys
import time
from pathlib import Path
from urllib.parse import quote as percent

import chat
import photos
from stage import (OWNER, VAULT, Failed, Phone, Prosody, Stage, Vault, check, pairing_code,
                   recovery_words, run)

CHUNKS, CHUNK_BYTES = 64, 24


def sha256(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


# ---------------------------------------------------------------------------------- the conversation

def say(phone, text):
    sent = phone.order("send_text", to=VAULT, text=text)
    phone.wait("receipt", lambda it: it["receipt_for"] == sent["id"])
    chat.phone(text)


def hear(phone, words):
    body = phone.reply(words)
    chat.vault(body)
    return body


def share(phone, path):
    sent = phone.order("send_file", to=VAULT, path=str(path))
    phone.wait("receipt", lambda it: it["receipt_for"] == sent["id"])
    chat.phone(f"[photo] {path.name}, {chat.size(sent['size'])}")
    return sent


def get(phone, number, photo):
    """Asks a photo back and compares it with the one on the phone."""
    say(phone, f"get {number}")
    hear(phone, f"#{number} ")
    file = phone.wait("file")
    chat.vault(f"[photo] {chat.size(file['size'])}")
    here, there = sha256(photo), sha256(file["path"])
    check(here == there, f"{photo.name} did not come back as it was sent")
    print()
    chat.fact(f"Equal, byte for byte. sha256 before: {here[:32]}…, after: {there[:32]}…")
    chat.fact(f"Opened from the bytes that came back: {photos.describe(file['path'])}.")


# --------------------------------------------------------------------------------------- the search

def notations(text):
    """A text in every notation in which it might lie around."""
    raw = text.encode()
    # What base64 makes of a text depends on where it begins; the ends depend on its neighbours.
    shifted = [base64.b64encode(b"\0" * n + raw)[4:-4] for n in range(3)]
    return {raw, text.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode(),
            percent(text).encode(), *shifted}


def traces(paths):
    """What would give the photos away: names in many notations, pieces of content, EXIF texts."""
    names, contents = set(), set()
    for path in paths:
        names |= notations(path.name)
        content = path.read_bytes()
        step = (len(content) - CHUNK_BYTES) // CHUNKS
        contents |= {content[at * step:at * step + CHUNK_BYTES] for at in range(CHUNKS)}
    contents |= {text.encode() for text in (photos.MAKER, photos.CAMERA)}
    return names, contents


def search(folder, wanted):
    """How many of the wanted byte strings occur in the files of a folder, or in their names."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    texts = [os.fsencode(path.relative_to(folder)) for path in files]
    texts += [path.read_bytes() for path in files]
    return sum(any(one in text for text in texts) for one in wanted)


def show_that_nothing_is_found(stage, shots):
    names, contents = traces(shots)
    chat.tell(f"Whoever takes the drive searches it for the {len(shots)} photos: {len(names)} "
              "spellings of their names (plain, UTF-16, hex, base64, percent-encoded) and "
              f"{len(contents)} pieces of their content and EXIF.")
    print()
    note = shots[0].parent / "note.txt"
    note.write_bytes(b"\n".join(names))
    places = (("the data drive", stage.vault.drive), ("the system card", stage.vault.card))
    for what, folder in places:
        found = search(folder, names), search(folder, contents)
        check(found == (0, 0), f"{what} gives away {found[0]} names and {found[1]} contents")
        chat.fact(f"{what}: 0 of {len(names)} names, 0 of {len(contents)} contents")
    found = search(stage.server.folder, contents)
    check(found == 0, f"the server has {found} pieces of content in clear")
    chat.fact(f"the server that carried them: 0 of {len(contents)} contents")
    found = search(note.parent, names), search(note.parent, contents)
    check(found == (len(names), len(contents)),
          f"the search finds only {found} in the plain files, so it proves nothing")
    chat.fact(f"for comparison the phone's own folder, with a note of the names: {found[0]} of "
              f"{len(names)} names, {found[1]} of {len(contents)} contents")
    note.unlink()


def show_the_drive(vault):
    files = [path for path in sorted(vault.drive.rglob("*")) if path.is_file()]
    rows = [f"{path.stat().st_size:>10,}  {path.relative_to(vault.drive)}" for path in files]
    chat.tell("All that lies on the drive, sizes in bytes:")
    chat.quote("\n".join(rows))


# ----------------------------------------------------------------------------------------- the acts

def set_up(stage, programs):
    chat.heading("1. A server, a vault, a phone")
    stage.server = Prosody(stage.folder / "server")
    for jid in (VAULT, OWNER):
        stage.server.register(jid, "secret of " + jid)
    chat.tell(f"Prosody runs on this machine alone (127.0.0.1, port {stage.server.c2s}), with "
              f"two accounts: {VAULT} and {OWNER}. Three folders stand for the data drive, the "
              "USB stick with the key, and the system card.")
    stage.vault = Vault(stage.folder / "pi", programs, stage.server)
    said = stage.vault.init("secret of " + VAULT)
    chat.tell("$ strongroom init --trial …  (its QR code is left out here)")
    # The QR code's lines are all blocks, its margin's all blanks.
    shown = re.sub(r"\n{3,}", "\n\n", re.sub(r"(?m)^[ █▀▄]{9,}\n", "", said))
    chat.quote(shown.replace(str(stage.folder), "…"))
    chat.tell("$ strongroom run")
    stage.vault.start()
    chat.quote("\n".join(stage.vault.daemon.said.all()))
    stage.phone = Phone(stage.folder / "phone", stage.server, "secret of " + OWNER)
    chat.tell("The phone is an XMPP client of foreign make (slixmpp and python-omemo), a process "
              "of its own. It adds the vault as a contact. From here on the phone is on the right "
              "and the vault on the left; every word between them is end-to-end encrypted.")
    stage.phone.befriend(VAULT)
    return said


def pair(stage, said):
    chat.heading("2. Pairing")
    code = pairing_code(said)
    sent = stage.phone.order("send_text", to=VAULT, text=code)
    chat.phone(code, seen=False)
    told = hear(stage.phone, "Paired")
    ours = stage.phone.online["fingerprint"][-8:]
    theirs = re.search(r"omemo-sid-\d+=([0-9a-f]{64})", said)[1][-8:]
    check(ours in told and theirs in told and sent["devices"], "the fingerprints do not match")
    print()
    chat.fact(f"Both fingerprints are the right ones: the phone's own ends in {ours}, and the one "
              f"that set-up printed in {theirs}.")


def evening(stage, shots):
    phone = stage.phone
    chat.heading("3. Photos go in, and one comes back")
    for number, photo in enumerate(shots[:2], 1):
        share(phone, photo)
        told = hear(phone, "stored")
        check(f"#{number} {photo.name}" in told, f"stored under another name: {told}")
    say(phone, "list")
    hear(phone, "#2 ")
    say(phone, "find käthe")
    hear(phone, "#2 ")
    get(phone, 1, shots[0])
    say(phone, "status")
    hear(phone, "The vault is open: 2 files")

    chat.heading("4. The stick is pulled out")
    stage.vault.stick.rename(stage.vault.drawer)
    hear(phone, "The key is gone")
    share(phone, shots[2])
    told = hear(phone, "Kept.")
    check(told == "Kept. 1 file waits for the key.", f"another answer: {told}")
    say(phone, "list")
    hear(phone, "The vault is locked; 1 file waits for the key.")

    chat.heading("5. Somebody takes the drive now")
    show_the_drive(stage.vault)
    show_that_nothing_is_found(stage, shots)

    chat.heading("6. The stick is put back")
    stage.vault.drawer.rename(stage.vault.stick)
    told = hear(phone, "The vault is open.")
    check("1 file that waited is stored as #3" in told, f"another answer: {told}")
    get(phone, 3, shots[2])


def rescue(stage, shots, said):
    chat.heading("7. Without daemon, server or chat")
    stage.phone.stop()
    stage.vault.stop()
    stage.server.stop()
    stage.phone = None
    chat.tell("All of it is stopped. What is left is the drive, and the stick or the paper.")
    key, words = ("--key", stage.vault.stick), recovery_words(said)
    chat.tell("$ strongroom-rescue --vault DRIVE/vault --key STICK list")
    listed = stage.vault.rescue(*key, "list")
    check(all(photo.name in listed for photo in shots), "strongroom-rescue does not list them all")
    chat.quote(listed)
    chat.tell("$ strongroom-rescue --vault DRIVE/vault --words verify  (the 24 words are typed in)")
    chat.quote(stage.vault.rescue("--words", "verify", input=words + "\n"))
    out = stage.folder / "rescued"
    chat.tell("$ strongroom-rescue --vault DRIVE/vault --key STICK extract --all FOLDER")
    stage.vault.rescue(*key, "extract", "--all", out)
    rescued = {sha256(path) for path in out.iterdir()}
    check(rescued == {sha256(photo) for photo in shots}, "strongroom-rescue gave other bytes")
    print()
    chat.fact(f"All {len(shots)} photos are there, equal byte for byte.")


def your_own(programs):
    chat.heading("Now with your own phone")
    program = shlex.quote(str(programs.parent / "release/strongroom"))
    home = Path.home() / "strongroom"
    place = {name: shlex.quote(str(home / name)) for name in
             ("strongroom.toml", "password", "vault", "key", "system")}
    chat.tell("You need two XMPP accounts, yours and one of its own for the vault, at any provider "
              "with file upload and a message archive. Put your two addresses in place of "
              "me@example.org and vault@example.org; the rest can stay as it is:")
    chat.quote(f"""cargo build --release --workspace
mkdir -p {place["key"]}
install -m 600 /dev/null {place["password"]}
nano {place["password"]}    # the password of the vault's account
{program} \\
    --config {place["strongroom.toml"]} init --trial --mode presence \\
    --jid vault@example.org --owner me@example.org \\
    --password-file {place["password"]} \\
    --data {place["vault"]} \\
    --key {place["key"]} \\
    --system {place["system"]}
{program} \\
    --config {place["strongroom.toml"]} run""")
    chat.tell("Scan the QR code with Conversations, Monal or the like, switch OMEMO on, and send "
              "the pairing code as your first message. For more than a trial leave out --trial, "
              "and name a mounted USB stick as --key and a drive as --data; README.md has the "
              "whole first evening.")


def main():
    programs = Path(sys.argv[1]).resolve()
    began = time.monotonic()
    chat.tell("An evening with Strongroom, all on this machine. Nothing is shown that did not "
              "happen, and any step that fails ends the demo.")
    print("\n" + run([programs / "strongroom", "--version"]).strip())
    with Stage() as stage:
        shots = photos.make(stage.folder / "photos")
        said = set_up(stage, programs)
        pair(stage, said)
        evening(stage, shots)
        rescue(stage, shots, said)
    your_own(programs)
    print(f"\nThe demo took {time.monotonic() - began:.0f} seconds, every step worked, and what it "
          "made is removed.")


if __name__ == "__main__":
    try:
        main()
    except Failed as failed:
        print(f"\nFAILED: {failed}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
