"""Colours for quantities: a sequential scale that colour-blind readers can see.

Dark violet over green to yellow, even in lightness, after matplotlib's viridis (van der Walt
and Smith 2015), interpolated between nine of its colours.
"""

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
_LIGHT = 0.18  # relative luminance above which black has the better contrast


def sequential(share: float) -> Colour:
    """The colour of a share from 0 to 1; other values are clamped."""
    place = min(max(share, 0.0), 1.0) * (len(_ANCHORS) - 1)
    index = min(int(place), len(_ANCHORS) - 2)
    low, high, rest = _ANCHORS[index], _ANCHORS[index + 1], place - index
    red, green, blue = (round(a + (b - a) * rest) for a, b in zip(low, high, strict=True))
    return red, green, blue


def ink_on(background: Colour) -> Colour:
    """Black or white, whichever is more legible there (WCAG 2.2, relative luminance)."""
    red, green, blue = (_linear(channel / 255) for channel in background)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (0, 0, 0) if luminance > _LIGHT else (255, 255, 255)


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else float(((channel + 0.055) / 1.055) ** 2.4)
