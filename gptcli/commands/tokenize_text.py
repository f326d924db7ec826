def tokenize_text() -> None:
    """x."""
