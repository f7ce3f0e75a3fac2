"""What a report holds, read back: the JSON of its data, and its numbers as ``assets/data.js`` decodes them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

import numpy as np


def content(page: str, prefix: str = "") -> dict[str, Any]:
    """The data of a part of a page."""
    pattern = rf'<script type="application/json" id="{prefix}data" data-prefix="{prefix}">(.*?)</script>'
    (text,) = re.findall(pattern, page, re.S)
    return dict(json.loads(text))


def inflated(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def decoded(data: bytes, spec: dict[str, Any]) -> np.ndarray:
    """One array, NaN where a value is missing."""
    count, width = int(np.prod(spec["shape"])), spec["width"]
    planes = np.frombuffer(data[spec["at"] : spec["at"] + count * width], np.uint8).reshape(width, count)
    stored = sum(plane.astype(np.int64) << (8 * i) for i, plane in enumerate(planes)).reshape(spec["shape"])
    if spec["series"]:
        change = np.where(stored % 2 == 1, -(stored + 1) // 2, stored // 2)
        stored = np.cumsum(change, axis=-1) % (1 << (8 * width))
    linear = spec["low"] + (stored - 1) * spec["step"]
    values = np.power(10.0, linear) if spec["log"] else linear
    return np.where(stored == 0, np.nan, values)


def arrays(held: dict[str, Any]) -> dict[str, np.ndarray]:
    """Every array of a page but its hydrographs."""
    data = inflated(held["packed"])
    return {name: decoded(data, spec) for name, spec in held["arrays"].items()}
