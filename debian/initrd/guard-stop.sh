#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
/usr/libexec/pve-sb-uki-guard stop
