"""What is stored and published, without what is only its user's: folders, names, passwords, tokens; and inert."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

# What says which file is meant. Whatever else stands after the ? of an address may be a secret.
_HARMLESS = frozenset({"download", "dl", "export", "format", "id", "path", "raw", "ref", "revision", "version"})
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ABSOLUTE = re.compile(r"/|\\\\|[A-Za-z]:[\\/]")
_NAME_ALONE = re.compile(r"^.*[\\/](?=[^\\/])", re.DOTALL)
# The same within a longer text: an address, and a path of two parts or more that no word, "~" or "${VAR}" begins.
_ADDRESS_WITHIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>|]+", re.IGNORECASE)
_PATH_WITHIN = re.compile(
    r"(?:(?<![\w.~}/…])|(?<=\s-[A-Za-z]))(?:/|[A-Za-z]:[\\/]|\\\\)(?:[^\s\"'<>|:;,=/\\]+[\\/])+(?=[^\s\\/]|\s|$)"
)
_COPIED_FROM = re.compile(r"(?<![\w/])[\w.-]+:[^\s:@/]+@(?=[\w.-]+[:/])")  # user:password@host:path
# Spreadsheets take a cell that begins so for a formula, which may fetch and send.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# Escapes of terminals, and letters that turn the direction of what follows.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# What nobody sees, or turns the order of other letters. Marks and joiners that right-to-left and Indic names and emoji
# need, which change nothing but the letters beside them, are none of these.
HIDDEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)
# Of how predictions came about, what tells who made them, where and on what.
_TELLING = {
    "device": None,
    "threads": None,
    "git_revision": None,
    "start": "",
    "entry": {},
    "identity": {},
    "versions": {},
    "imported": None,
    "config": {},
}


def public(url: str) -> str:
    """An address without what it may carry of a user's own: name, password, tokens and signatures.

    >>> public("https://me:secret@mirror.example/data?download=1&X-Amz-Signature=0123")
    'https://mirror.example/data?download=1'
    """
    try:
        parts = urlsplit(url)
        if parts.scheme.lower() == "file":
            return _NAME_ALONE.sub("…/", parts.path)
        kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name in _HARMLESS]
    except ValueError:
        return re.sub(r"(?<=//)[^/]*@|[?#].*", "", url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, urlencode(kept), ""))


def publishable(value: Any) -> Any:
    """A value of an entry or a record, nested as it may be: addresses as `public` has them, of absolute paths the name.

    `${VAR}` and `~` stay as they were written.

    >>> publishable({"weights": ["/home/me/w.pt", "~/w.pt", "https://me@host/w.pt?token=1"], "size": 32})
    {'weights': ['…/w.pt', '~/w.pt', 'https://host/w.pt'], 'size': 32}
    """
    if isinstance(value, Mapping):
        return {publishable(key): publishable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [publishable(one) for one in value]
    if not isinstance(value, str):
        return value
    if _ADDRESS.match(value) and not re.search(r"\s", value):
        return public(value)
    if _ABSOLUTE.match(value) and not _ADDRESS_WITHIN.search(value):
        return _NAME_ALONE.sub("…/", value)
    return _within(value)


def _within(text: str) -> str:
    """A text in which addresses and paths stand among other words, with these as `publishable` has them."""
    if "/" not in text and "\\" not in text and "@" not in text:
        return text
    parts = [(match.span(), public(match[0])) for match in _ADDRESS_WITHIN.finditer(text)]
    shown, place = [], 0
    for (start, end), address in parts:
        shown += [_without_folders(text[place:start]), address]
        place = end
    return "".join([*shown, _without_folders(text[place:])])


def _without_folders(text: str) -> str:
    return _PATH_WITHIN.sub("…/", _COPIED_FROM.sub("", text))


def anonymous(run: Mapping[str, Any]) -> dict[str, Any]:
    """How predictions came about, without what tells who made them: machine, time, commit, versions, entry, files."""
    return {key: _TELLING.get(key, value) for key, value in run.items()}


def inert_cell(value: Any) -> Any:
    """A cell of a CSV file that no spreadsheet takes for a formula: text that begins like one gets an apostrophe.

    >>> inert_cell("=cmd|' /C calc'!A0"), inert_cell("-0.5"), inert_cell("resnet")
    ("'=cmd|' /C calc'!A0", '-0.5', 'resnet')
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def inert_name(name: str) -> str:
    """A name in a CSV file that is read again, such as an image's id: inert, and `name_of_cell` gives it back exactly.

    As `inert_cell`; what begins with an apostrophe gets another.

    >>> inert_name("=1+1.png"), inert_name("'a"), inert_name("cat/1.png")
    ("'=1+1.png", "''a", 'cat/1.png')
    """
    return f"'{name}" if name.startswith("'") else inert_cell(name)


def name_of_cell(cell: str) -> str:
    """The name that `inert_name` wrote as this cell.

    >>> name_of_cell("'=1+1.png"), name_of_cell("''a"), name_of_cell("'a"), name_of_cell("-0.5")
    ('=1+1.png', "'a", "'a", '-0.5')
    """
    return cell[1:] if cell[:1] == "'" and cell[1:].startswith(("'", *_FORMULA)) else cell


def inert_text(text: str) -> str:
    r"""Text that a terminal shows and does not obey.

    >>> inert_text("a\x1b[2Jb\tc\n")
    'a�[2Jb\tc\n'
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def visible_text(text: str) -> str:
    r"""Text for a page or a figure, which shows letters in the order in which they are written, and hides none.

    >>> visible_text("good\u202egnp.exe\u200b"), visible_text("שלום\u200f!")
    ('good�gnp.exe�', 'שלום\u200f!')
    """
    return HIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
