# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# All output goes to build/, except SwiftPM's .build. `make help` prints the line "##" above each target.

SHELL = /bin/bash
SUITE ?= $(shell . /etc/os-release && echo $$VERSION_CODENAME)
WARNINGS = -Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error
FORMAT = --configuration .swift-format --parallel -r Package.swift Sources Tests hooks
export SUITE

.PHONY: build help deps format lint test check check-full deb source-package pot demo bench bench-growth bench-compare bench-docs clean

## build all targets and tests; warnings are errors; the default target
build:
	swift build --build-tests $(WARNINGS)

## list the targets
help:
	@awk '/^## / { text = substr($$0, 4); next } \
	  /^[a-z-]+:/ && text { printf "  make %-16s%s\n", substr($$1, 1, length($$1) - 1), text } { text = "" } \
	  /^#:/ { print "  " substr($$0, 4) }' $(MAKEFILE_LIST)

## install the Debian packages that building and testing need, if missing
deps:
	Tests/System/install-dependencies

## format the Swift files as lint expects
format:
	swift format --in-place $(FORMAT)

## check Swift files and shell scripts with swift-format and shellcheck
lint:
	swift format lint --strict $(FORMAT)
	Tests/System/lint-shell

## run the unit tests except the slow ones, without root; 3 minutes at most after the build
test:
	@Tests/fixtures.sh
	@Tests/System/unit-tests quick

## run everything that a change has to pass, as root; 25 minutes
check:
	@Tests/System/run-checks quick

## run check and more, on both Debian suites, as root; hours
check-full:
	@Tests/System/run-checks full

## build the Debian packages in build/deb
deb:
	Tests/System/build-deb

## make a source package that builds without network in build/source
source-package:
	Tests/System/source-package

# Needs Swift 6.1 or newer; building packages does not.
## collect the messages for translators in po
pot: build
	Tests/System/extract-messages po/pve-sb-uki.pot
	for file in po/*.po; do msgmerge -q --update --backup=none --no-fuzzy-matching $$file po/pve-sb-uki.pot || exit 1; done

## see it work: package, kernel, keys, firmware, boot, rejection; as root, 3 minutes
demo: deps
	Tests/System/demo

## measure against other tools and the limit, as root; about an hour
bench: deps
	Tests/System/bench/run run

## measure how time and memory grow with initrds and packages, as root; about an hour
bench-growth: deps
	Tests/System/bench/run growth

## compare two commits, as root: A=commit, and B=commit instead of the work tree
bench-compare: deps
	Tests/System/bench/compare "$(A)" "$(B)"

# Needs Debian's python3-matplotlib, which nothing else uses.
## put the last results of bench and bench-growth into docs/benchmarks
bench-docs:
	Tests/System/install-dependencies python3-matplotlib
	Tests/System/bench/report.py docs docs/benchmarks $(wildcard build/bench/run.json build/bench/growth.json)

## remove all build output
clean:
	rm -rf .build .build-deb .build-deb-test build

#:
#: make check LIST=1         list the steps of check; the same for check-full
#: make check STEP=name      run one step of either list, or several: STEP="deb manual"
#: make check FROM=name      resume at this step, and keep the results of earlier steps
#: make bench ONLY='apply-*'  measure some scenarios; ROUNDS=3 sets the rounds, CALLS=no counts no system calls
#: make check SUITE=trixie   use this Debian release instead of the machine's own; also for demo and tests
