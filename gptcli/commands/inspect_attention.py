def inspect_attention() -> None:
    """x."""
