"""Colours for quantities: scales that colour-blind readers can see, bright where much is.

The sequential one goes from dark violet over green to yellow, even in lightness, after
matplotlib's viridis (van der Walt and Smith 2015), interpolated between nine of its colours. The
diverging one is dark at zero, blue below and orange above.
"""

from collections.abc import Sequence

Colour = tuple[int, int, int]

_ANCHORS: tuple[Colour, ...] = (
    (68, 1, 84),
    (71, 45, 123),
    (59, 82, 139),
    (44, 114, 142),
    (33, 145, 140),
    (40, 174, 128),
    (94, 201, 98),
    (173, 220, 48),
    (253, 231, 37),
)
_DIVERGING: tuple[Colour, ...] = (
    (125, 195, 255),
    (40, 85, 150),
    (38, 38, 38),
    (150, 80, 25),
    (255, 190, 95),
)
_LIGHT = 0.18  # relative luminance above which black has the better contrast


def sequential(share: float) -> Colour:
    """The colour of a share from 0 to 1; other values are clamped."""
    return _between(_ANCHORS, share)


def diverging(share: float) -> Colour:
    """The colour of a share from -1 to 1, dark at 0; other values are clamped."""
    return _between(_DIVERGING, (share + 1) / 2)


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever is more legible there (WCAG 2.2, relative luminance)."""
    red, green, blue = (_linear(channel / 255) for channel in background)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (0, 0, 0) if luminance > _LIGHT else (255, 255, 255)


def _between(anchors: Sequence[Colour], share: float) -> Colour:
    place = min(max(share, 0.0), 1.0) * (len(anchors) - 1)
    index = min(int(place), len(anchors) - 2)
    low, high, rest = anchors[index], anchors[index + 1], place - index
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(low, high, strict=True))
    return red, green, blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
