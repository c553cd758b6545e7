"""What is wrong with a file, in words: readers raise exceptions that speak of Python and of their own insides."""

import gzip
import json
import lzma
import re
import struct
import zlib

from evalshift.errors import first_line

_CUT = "a file that ends too early"
_KIND = "content of another structure"

# By what a message begins with or contains; NumPy raises ValueError for all of these.
_WORDS = (
    (r"EOF: reading", _CUT),
    (r"Object arrays cannot be loaded|Python objects in dtype", "an array of Python objects, not of numbers or text"),
    (r"This file contains pickled|Cannot load file containing pickled", "a pickle, or not a NumPy file"),
    (r"the magic string is not correct.*got b'PK", "a zip archive, such as an npz file"),
    (r"the magic string is not correct.*got b'([^\\]*)'", r"not a NumPy file: it begins with \1"),
    (r"the magic string is not correct", "not a NumPy file"),
    (r"cannot reshape array of size (\d+) into shape (\(.*\))", r"\1 numbers, which do not fill the shape \2"),
    (r"invalid literal for int\(\) with base \d+: (.*)", r"\1, which is no whole number"),
    (r"could not convert string to float: (.*)", r"\1, which is no number"),
    (r"setting an array element with a sequence", "lists of different lengths"),
    (r"(not enough|too many) values to unpack", "entries of another length"),
    (r"(.*) is not a file in the archive", r'no "\1" in it'),
    (r"file could not be opened successfully", "no tar archive, or a damaged one"),
    (r"PytorchStreamReader failed", "a damaged file, or one that ends too early"),
)


def file_fault(error: BaseException) -> str:
    """What is wrong with a file, by the exception that reading it raised; what a library says clearly stays.

    >>> file_fault(KeyError("labels"))
    'no "labels" in it'
    """
    match error:
        case UnicodeDecodeError():
            byte = error.object[error.start]
            return f"the byte {byte:#04x} at position {error.start:,}, which is not {error.encoding.upper()}"
        case json.JSONDecodeError():
            return _json_fault(error)
        case zlib.error() | lzma.LZMAError() | gzip.BadGzipFile():
            return "damaged compressed data"
        case EOFError() | struct.error():
            return _CUT
        case RecursionError():
            return "lists or mappings nested too deep"
        case OverflowError():
            return "a number that is too large"
        case TypeError() | AttributeError():
            return _KIND
        case IndexError():
            return "fewer entries than it refers to"
    if isinstance(error, KeyError) and error.args:  # a name that is missing, or a sentence of a library's
        missing = str(error.args[0])
        return _in_words(missing) if " " in missing else f'no "{missing}" in it'
    return _in_words(first_line(error))


def _json_fault(error: json.JSONDecodeError) -> str:
    text = error.doc.strip()
    if not text:
        return "an empty file"
    if error.doc[error.pos :] == error.doc.lstrip():
        return "text that is not JSON"
    return f"invalid JSON: {error.msg[0].lower()}{error.msg[1:]} at line {error.lineno:,}, column {error.colno:,}"


def _in_words(said: str) -> str:
    """The message, or what it means where it would not help."""
    for pattern, words in _WORDS:
        if found := re.search(pattern, said):
            return found.expand(words)
    return said
