def count_params() -> None:
    """x."""
