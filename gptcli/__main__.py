"""Makes ``python -m gptcli`` the same as ``gptcli``."""

from gptcli.cli import main

if __name__ == "__main__":
    main()
