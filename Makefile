# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# Everything that is made lies in build/, except SwiftPM's .build. A line "##" above a target is its line in `make help`.

SHELL = /bin/bash
SUITE ?= $(shell . /etc/os-release && echo $$VERSION_CODENAME)
WARNINGS = -Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error
FORMAT = --configuration .swift-format --parallel -r Package.swift Sources Tests hooks
export SUITE

.PHONY: build help deps format lint test check check-full deb source-package pot demo bench clean

## build all targets and tests; warnings are errors; `make` alone does this
build:
	swift build --build-tests $(WARNINGS)

## list the targets
help:
	@awk '/^## / { text = substr($$0, 4); next } \
	  /^[a-z-]+:/ && text { printf "  make %-16s%s\n", substr($$1, 1, length($$1) - 1), text } { text = "" } \
	  /^#:/ { print "  " substr($$0, 4) }' $(MAKEFILE_LIST)

## install the Debian packages that building and testing need, as far as they are missing
deps:
	Tests/System/install-dependencies

## write the Swift files in the form that lint wants
format:
	swift format --in-place $(FORMAT)

## check the form of Swift files and shell scripts
lint:
	swift format lint --strict $(FORMAT)
	Tests/System/lint-shell

## run the unit tests without the slow ones, without root; 3 minutes at most after the build
test:
	@Tests/fixtures.sh
	@Tests/System/unit-tests quick

## run what every change has to pass, as root; 18 minutes
check:
	@Tests/System/run-checks quick

## run check and more, on both Debian suites, as root; hours
check-full:
	@Tests/System/run-checks full

## build the Debian packages, in build/deb
deb:
	Tests/System/build-deb

## make a source package that builds without network, in build/source
source-package:
	Tests/System/source-package

# Needs Swift 6.1 or newer, which packages do not.
## collect the messages for translators, in po
pot: build
	Tests/System/extract-messages po/pve-sb-uki.pot
	for file in po/*.po; do msgmerge -q --update --backup=none --no-fuzzy-matching $$file po/pve-sb-uki.pot || exit 1; done

## see it work: package, kernel, keys, firmware, boot, refusal; as root, 3 minutes
demo: deps
	Tests/System/demo

## measure speed and size against other tools, as root
bench: deps
	Tests/System/bench/run
	Tests/System/bench/run-repack

## remove all that was made
clean:
	rm -rf .build .build-deb .build-deb-test build

#:
#: make check LIST=1         the steps of check; the same for check-full
#: make check STEP=name      one step of either list, or several: STEP="deb manual"
#: make check FROM=name      go on with this step, and keep the results of those before it
#: make check SUITE=trixie   with this Debian release instead of the machine's own; also for demo and tests
