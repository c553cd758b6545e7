"""`python -m evalshift` is the same as `evalshift`."""

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    # Python looks into the working folder first; a torch.py that lies there would be run by commands that run nothing.
    sys.path.append(sys.path.pop(0))

from evalshift import stopping
from evalshift.standard_streams import open_closed_streams


def main() -> None:
    """The entry point of the `evalshift` command, which Ctrl-C also ends while the libraries are imported."""
    open_closed_streams()  # before anything is opened
    stopping.listen()
    try:
        from evalshift.cli import main as command

        command()
    except BaseException:
        if stopping.is_stopping():
            stopping.end()
        raise


if __name__ == "__main__":
    main()
