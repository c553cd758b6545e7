"""`python -m evalshift` is the same as `evalshift`."""

import sys

if not sys.flags.safe_path:
    # Python looks into the working folder first; a torch.py that lies there would be run by commands that run nothing.
    sys.path.append(sys.path.pop(0))

from evalshift.cli import main

main()
