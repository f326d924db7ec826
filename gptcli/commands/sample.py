def sample() -> None:
    """x."""
