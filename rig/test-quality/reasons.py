# SPDX-License-Identifier: GPL-2.0
"""Reads a file with findings of a check that are accepted, each with a reason.

A line with the name of the finding, then indented lines with the reason; # begins a comment.
"""

import pathlib
import sys


def read(path):
    """{name: reason}"""
    reasons, name = {}, None
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            name = line
            reasons[name] = ""
        elif name:
            reasons[name] = f"{reasons[name]} {line.strip()}".strip()
    for name, reason in reasons.items():
        if not reason:
            sys.exit(f"error: {path}: no reason for: {name}")
    return reasons
