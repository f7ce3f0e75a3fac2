"""Mutations of a global parameter file of VIC-5."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fuzz.mutant import Mutant, pick

_VALUES = (
    "",
    "0",
    "-1",
    "1",
    "25",
    "1.5",
    "TRUE",
    "MAYBE",
    "nan",
    "1e30",
    "NEVER",
    "2001",
    "13",
    "31",
    "nowhere/else",
    "θ",
    "*",
)


def mutate_global(path: Path, rng: np.random.Generator) -> Mutant:
    """Change the file in place."""
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    at = int(rng.integers(len(lines)))
    key = lines[at].split()[0]
    kind = pick(
        rng, ["drop", "twice", "typo", "lower", "value", "value", "value", "unknown", "swap", "bytes", "comment", "cut"]
    )
    text = f"{kind} at {lines[at]!r}"
    mutant = Mutant(text, (path.name, key))
    if kind == "drop":
        del lines[at]
    elif kind == "twice":
        lines.insert(at, lines[at])
    elif kind == "typo":
        lines[at] = lines[at].replace(key, f"{key}S", 1)
    elif kind == "lower":
        lines[at] = lines[at].replace(key, key.lower(), 1)
    elif kind == "value":
        words = lines[at].split()
        place = int(rng.integers(1, len(words)))
        words[place] = pick(rng, _VALUES)
        lines[at] = " ".join(words)
        mutant = Mutant(f"{text}: word {place} is {words[place]!r}", (path.name, key, words[place]))
    elif kind == "unknown":
        lines.insert(at, f"{pick(rng, ['BANANA', 'CONSTANTS', 'LAKES', 'IMPLICIT'])} {pick(rng, _VALUES)}")
        mutant = Mutant(f"{lines[at]!r} added", (path.name, lines[at].split()[0]))
    elif kind == "swap":
        other = int(rng.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == "comment":
        lines[at] = f"  {lines[at]}\t# {key} θ"
        mutant = Mutant(text, (path.name, key), "all", valid=True)
    if kind == "bytes":
        path.write_bytes("\n".join(lines).encode().replace(b"_", b"\xff", 1))
    elif kind == "cut":
        whole = "\n".join(lines)
        path.write_text(whole[: int(rng.integers(len(whole)))])
        mutant = Mutant(text, (path.name,))
    else:
        ending = pick(rng, ["\n", "\r\n"])
        path.write_text(ending.join(lines) + ending)
    return mutant
