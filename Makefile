# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# Everything that is made lies in build/, except SwiftPM's .build.

SHELL = /bin/bash
SUITE ?= $(shell . /etc/os-release && echo $$VERSION_CODENAME)
WARNINGS = -Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error
SWIFT_SOURCES = Package.swift Sources Tests hooks
export SUITE

.PHONY: all build deps deb source-package pot demo check check-full bench lint test clean

all: build

# Debian packages that building and testing need; installs only what is missing.
deps:
	Tests/System/install-dependencies

build:
	swift build --build-tests $(WARNINGS)

test: build
	swift test

lint:
	swift format lint --strict --configuration .swift-format -r $(SWIFT_SOURCES)
	Tests/System/lint-shell

# build/deb/*.deb
deb:
	Tests/System/build-deb

# build/source/*.dsc, which builds without network.
source-package:
	Tests/System/source-package

# po/pve-sb-uki.pot, the template of translations, and what it has that they have not yet. Needs Swift 6.1 or newer,
# which packages do not.
pot: build
	Tests/System/extract-messages po/pve-sb-uki.pot
	for file in po/*.po; do msgmerge -q --update --backup=none --no-fuzzy-matching $$file po/pve-sb-uki.pot || exit 1; done

# The whole way, told as it goes: package, kernel, keys, firmware, boot, refusal.
demo: deps
	Tests/System/demo

# What a change has to pass. check-full adds boot entries, the other Debian suite and the demo.
check:
	Tests/System/run-checks quick

check-full:
	Tests/System/run-checks full

bench: deps
	Tests/System/bench/run
	Tests/System/bench/run-repack

clean:
	rm -rf .build .build-deb .build-deb-test build
