# `make` or `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
# The Python that runs the test phone.
STRONGROOM_PEERS_PYTHON ?= $(TARGET)/peers-venv/bin/python
export STRONGROOM_PEERS_PYTHON

DENY_VERSION := 0.20.2
DENY := $(TARGET)/tools/bin/cargo-deny
CARGO_DEB_VERSION := 3.8.0
CARGO_DEB := $(TARGET)/tools/bin/cargo-deb

FUZZ_SECONDS ?= 60

MUTANTS_VERSION := 27.1.0
MUTANTS := $(TARGET)/tools/bin/cargo-mutants

.PHONY: help setup check test demo clients pictures bench units unit-test package package-test cross image image-test boot-test release release-test faults hostile servers fuzz mutants advisories

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: ## install what building and testing need (asks for root where it must)
	@scripts/setup.sh

check: $(DENY) units ## formatting, lints, documentation, licences and sources of dependencies, units
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features peers --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
	$(DENY) --log-level error check licenses bans sources

# Kept apart from `check`: it downloads the advisory database, which a build without the Internet
# cannot, and whose news of today must not break yesterday's commit.
advisories: $(DENY) ## known vulnerabilities in dependencies (downloads the list)
	$(DENY) check advisories

$(DENY):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --debug \
	    --root $(TARGET)/tools --target-dir $(TARGET)/tools/build
	rm -rf $(TARGET)/tools/build

test: setup ## all tests, with a real Prosody and a foreign phone
	cargo test --workspace --features peers --locked

demo: setup ## a vault, its owner's phone and a chat between them, to read along
	scripts/demo.sh

clients: setup ## real clients from Debian pair, share a photo and get it back: 4 minutes (root)
	scripts/clients.sh

pictures: setup ## docs/pictures anew: a real client's window, a contact sheet, the guide's: 5 minutes (root)
	scripts/clients.sh pictures
	scripts/clients.sh evening

bench: setup ## ratios measured in one run
	scripts/bench.sh

units: ## the service units: spelling, and how much of the system they can reach
	scripts/units.sh

unit-test: setup $(CARGO_DEB) ## an evening under the real units in a booted Debian: 5 minutes (root)
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/unit-test.sh

package: setup $(CARGO_DEB) ## the Debian package for this machine
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/package.sh

package-test: setup $(CARGO_DEB) ## install, upgrade, purge on bookworm and trixie; lintian (root)
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/package-test.sh

$(CARGO_DEB):
	cargo install cargo-deb --version $(CARGO_DEB_VERSION) --locked --debug \
	    --root $(TARGET)/tools --target-dir $(TARGET)/tools/build
	rm -rf $(TARGET)/tools/build

# The package for arm64 comes from scripts/package.sh, which asks scripts/cross.sh.
image: setup $(CARGO_DEB) ## the image for the Pi's card: half an hour, then 5 minutes (root)
	PATH=$(dir $(CARGO_DEB)):$$PATH pi-image/image.sh

image-test: setup $(CARGO_DEB) ## the same, assembled twice and compared
	PATH=$(dir $(CARGO_DEB)):$$PATH pi-image/image.sh --twice

release: setup $(CARGO_DEB) ## packages, image, list of parts, notes, signed checksums: hours (root)
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/release.sh

release-test: setup $(CARGO_DEB) ## programs and package built in two folders are the same: half an hour
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/release.sh --twice

boot-test: setup $(CARGO_DEB) ## boot the image, pull its stick and cut its power 20 times: hours (root)
	PATH=$(dir $(CARGO_DEB)):$$PATH scripts/boot-test.sh

cross: ## build for the Raspberry Pi and start the program under qemu
	scripts/cross.sh

faults: setup ## kill, cut the power, fill and flip: 25 minutes, a table at the end
	scripts/faults.sh

hostile: setup ## hostile servers and contacts, lines that break: 5 minutes, a table at the end
	scripts/hostile.sh

servers: setup ## the main path on Prosody 0.12, Prosody 13.0 and ejabberd, and between two servers
	scripts/servers.sh

mutants: $(MUTANTS) ## breaks the ratchet in every small way and sees whether a test notices: an hour
	PATH=$(TARGET)/tools/bin:$$PATH scripts/mutants.sh

$(MUTANTS):
	cargo install cargo-mutants --version $(MUTANTS_VERSION) --locked --debug \
	    --root $(TARGET)/tools --target-dir $(TARGET)/tools/build
	rm -rf $(TARGET)/tools/build

fuzz: ## a minute of fuzzing for every parser
	scripts/fuzz.sh $(FUZZ_SECONDS)
