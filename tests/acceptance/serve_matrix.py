"""The application service as a process of its own: ``python -m tests.acceptance.serve_matrix HOME PORT``."""

import sys

from troth.cli.main import cli

if __name__ == "__main__":
    cli(["--home", sys.argv[1], "matrix", "serve", "--port", sys.argv[2]], standalone_mode=False)
