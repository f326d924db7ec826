"""gptcli: from a text file to a GPT that you trained, measured, sampled and looked inside."""

__version__ = "0.1.0"
