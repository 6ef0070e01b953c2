"""A server and a vault for clients as Debian has them: on the standard port, with an authority they know.

Runs as root in network and mount namespaces of its own (scripts/clients.sh).
"""
import subprocess
from pathlib import Path

from stage import OWNER, VAULT, Prosody, Vault, run

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"


def password(jid):
    return "secret of " + jid


def serve(stage, accounts=(VAULT, OWNER), is_open=False):
    """Starts the server, with accounts, where clients look for it."""
    stage.server = Prosody(stage.folder / "server", c2s=5222, is_open=is_open)
    # What an earlier stage put there went with its folder.
    subprocess.run(["umount", AUTHORITIES], check=False, capture_output=True)
    trusted = stage.folder / "authorities"
    trusted.write_bytes(Path(AUTHORITIES).read_bytes() + stage.server.authority.read_bytes())
    run(["mount", "--bind", trusted, AUTHORITIES])
    for jid in accounts:
        stage.server.register(jid, password(jid))


def set_up(stage, programs):
    """Starts the server and makes the vault; returns what set-up said. The daemon does not run yet."""
    serve(stage)
    make_contacts(stage.server)
    stage.vault = Vault(stage.folder / "pi", programs, stage.server)
    return stage.vault.init(password(VAULT))


def make_contacts(server, vault=VAULT):
    """Writes into the server's rosters that each has subscribed with the other."""
    rosters = server.folder / "data" / vault.partition("@")[2] / "roster"
    rosters.mkdir(parents=True, exist_ok=True)
    for one, other in ((vault, OWNER), (OWNER, vault)):
        (rosters / f"{one.partition('@')[0]}.dat").write_text(
            f'return {{ ["{other}"] = {{ subscription = "both"; groups = {{}}; }}; }};\n')


def blobs(drive):
    """How many files of a photo's size lie on the drive."""
    return sum(it.is_file() and it.stat().st_size > 500_000 for it in drive.rglob("*"))
