"""Independent random streams from one seed."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A 63-bit seed that depends on its parts alone, the same on every machine."""
    text = "/".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
