"""``python -m troth``: the same as ``troth``."""

from troth.cli.main import main

if __name__ == "__main__":
    main()
