"""Train a small GPT on your own text, then evaluate it, sample from it and look inside."""

__version__ = "0.1.0"
