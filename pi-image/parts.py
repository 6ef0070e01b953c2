"""What is in an image, for machines to read.

parts.py sbom NAME ROOT < CRATES    CycloneDX: Debian's packages in a root, and our crates, which
                                    stand one a line as `cargo tree` prints them
parts.py crates NAME < CRATES       the same for our programs alone
parts.py imager IMAGE ADDRESS       the list of Raspberry Pi Imager for one image
"""
import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path

CREATED = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)


def debian(root):
    wanted = ("Package", "Version", "Architecture", "source:Package", "source:Version")
    listed = subprocess.run(
        ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "--show",
         "--showformat", "\t".join(f"${{{it}}}" for it in wanted) + "\n"],
        check=True, capture_output=True, text=True).stdout
    for line in sorted(listed.splitlines()):
        name, version, architecture, source, source_version = line.split("\t")
        yield {"type": "library", "name": name, "version": version,
               "purl": f"pkg:deb/debian/{name}@{version.replace('+', '%2B')}?arch={architecture}",
               "properties": [{"name": "debian:source", "value": f"{source} {source_version}"}]}


def crates(lines):
    # `name v1.2.3 (place) licence`; (*) marks what was listed before
    form = re.compile(r"^(\S+) v(\S+)(?: \((?!\*).*?\))* ?(.*?)(?: \(\*\))?$")
    found = {}
    for line in lines:
        name, version, licence = form.match(line.rstrip("\n")).groups()
        found[name, version] = licence or found.get((name, version))
    for (name, version), licence in sorted(found.items()):
        entry = {"type": "library", "name": name, "version": version,
                 "purl": f"pkg:cargo/{name}@{version.replace('+', '%2B')}"}
        if licence:
            entry["licenses"] = [{"expression": licence.replace("/", " OR ")}]
        yield entry


def sbom(name, root):
    return listed(name, "operating-system", [*debian(root), *crates(sys.stdin)])


def programs(name):
    return listed(name, "application", [*crates(sys.stdin)])


def listed(name, kind, components):
    for entry in components:
        entry["bom-ref"] = entry["purl"]
    digest = hashlib.sha256(json.dumps(components).encode()).digest()
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
            "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}",
            "metadata": {"timestamp": CREATED.isoformat(),
                         "component": {"type": kind, "name": name, "bom-ref": name}},
            "components": components}


def digest_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def imager(image, address):
    image = Path(image)
    packed = image.with_name(image.name + ".zst")
    return {"os_list": [{
        "name": "Strongroom",
        "description": "File vault driven by encrypted chat. Settings: strongroom.toml on the card.",
        "icon": "https://www.debian.org/Pics/openlogo-50.png",
        "url": f"{address.rstrip('/')}/{packed.name}",
        "extract_size": image.stat().st_size, "extract_sha256": digest_of(image),
        "image_download_size": packed.stat().st_size, "image_download_sha256": digest_of(packed),
        "release_date": CREATED.date().isoformat(),
        "init_format": "none",
        "devices": ["pi5-64bit", "pi4-64bit", "pi3-64bit"],
    }]}


def main():
    made = {"sbom": sbom, "crates": programs, "imager": imager}[sys.argv[1]](*sys.argv[2:])
    json.dump(made, sys.stdout, indent=1, sort_keys=True)
    print()


if __name__ == "__main__":
    main()
