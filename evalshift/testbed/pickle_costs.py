"""Pickles that would keep a reader busy for ever, told before they are read.

A tuple of a tuple twice, and so on, has as many parts as a few bytes can double: hashing it as a key takes years, in C,
where Ctrl-C is not heard. So what each tuple would cost is counted along the pickle's operations, none of which is run.
"""

import pickle
import pickletools
from typing import IO, cast

# No key or shape of ours has as many parts; a tuple of all labels of a dataset may.
_MOST_PARTS = 10_000_000
# The C reader reserves room up to the largest number under which anything is remembered.
_MOST_REMEMBERED = 50_000_000
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"}


class CostlyError(pickle.UnpicklingError):
    """A file that stands for more than any memory holds, or that would be read for ever; its text says how."""


def refuse_costly(stream: IO[bytes]) -> None:
    """Go through one pickle, up to its end; CostlyError for one that would take for ever, or too much memory.

    Damaged pickles pass: whoever reads them says what is wrong.
    """
    try:
        _count(stream)
    except CostlyError:
        raise
    except Exception:  # pickletools raises whatever its bytes happen to mean
        return


def _count(stream: IO[bytes]) -> None:
    """Parts of each object on the stack: those of a tuple are its own, anything else is one."""
    stack: list[int] = []
    marks: list[int] = []
    remembered: dict[int, int] = {}
    for operation, given, _ in pickletools.genops(stream):
        name, argument = operation.name, cast("int | None", given)  # of the operations that it is looked at for
        if name == "MARK":
            marks.append(len(stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = len(remembered) if argument is None else argument
            if place > _MOST_REMEMBERED:
                raise CostlyError(f"it remembers something as number {place:,}")
            remembered[place] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(remembered[argument or 0])
        elif name == "POP" and marks and marks[-1] == len(stack):
            marks.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            taken = _take(stack, marks, operation.stack_before)
            parts = 1 + sum(taken) if name in _TUPLES else 1
            if parts > _MOST_PARTS:
                raise CostlyError("it repeats a tuple in tuples beyond all measure")
            stack.extend([parts] * len(operation.stack_after))


def _take(stack: list[int], marks: list[int], before: list[pickletools.StackObject]) -> list[int]:
    """Take off the stack what an operation takes."""
    if pickletools.markobject in before:
        start = marks.pop() - before.index(pickletools.markobject)
    else:
        start = len(stack) - len(before)
    taken = stack[max(0, start) :]
    del stack[max(0, start) :]
    return taken
