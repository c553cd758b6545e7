"""Whether a run is being stopped by Ctrl-C, or somebody's code only says so."""

# Of a process that another one watches and tells of Ctrl-C: whether it was told.
_told: list[bool] = []


def watch() -> None:
    """From now on Ctrl-C is told by `note_interrupt`: a KeyboardInterrupt alone is an exception like any other."""
    _told[:] = [False]


def note_interrupt() -> None:
    """The run is being stopped."""
    _told[:] = [True]


def raise_interrupt(error: BaseException) -> None:
    """Raise KeyboardInterrupt where the run is being stopped, whatever a model made of that; called for its exceptions.

    A model that raises KeyboardInterrupt by itself has failed, and no more, where another process watches this one.
    """
    if _told == [True] or (not _told and isinstance(error, KeyboardInterrupt)):
        raise KeyboardInterrupt from error
