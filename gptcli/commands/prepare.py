def prepare() -> None:
    """x."""
