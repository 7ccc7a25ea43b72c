r"""Names from data and models: which are valid, and how each kind of file takes them so that none of them acts.

A class is called whatever people call it: ``7``, ``T-shirt/top``, ``ä``, ``犬``, ``\alpha``. Its name meets file
systems, C,
Markdown, YAML, spreadsheets and terminals (:func:`tenfold.errors.printable`). The
functions
here take *any* text: a writer is safe even where nobody looked at the name before.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import PurePosixPath, PureWindowsPath

from tenfold.errors import printable

RECIPE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LONGEST = 255
"""Characters of a name."""
MOST_CLASSES = 65_536
_JOINERS = {0x200C: None, 0x200D: None}
"""Invisible letters that Persian, Sinhala and emoji need."""
_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
"""Categories of Unicode. Letters that this Python does not know yet are in none of them."""
_SHOWN = 3
_LONGEST_FOLDER = 255
_UNSAFE_IN_FOLDERS = frozenset('/\\:*?"<>|')
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})
"""Devices of Windows."""
_PLAIN_IN_C = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _-.")
_PLAIN_IN_MARKDOWN = frozenset(" -+,.;'\"/%?")

_STARTS_FORMULA = tuple("=+-@＝＋－＠")
"""The wide ones compute too."""
_BLANKS = ("\t", "\r", "\n")


def check_name(name: str) -> str:
    """``name``, if a class or a data set may be called so.

    Raises:
        ValueError: empty, too long, with characters that cannot be printed (control characters, line breaks, marks that
            turn
            the direction of text) or spaces around it, or a path that leads somewhere else.
    """
    shown = repr(printable(name[:40]))
    if not name:
        raise ValueError("found an empty name, expected at least one character")
    if len(name) > LONGEST:
        raise ValueError(f"found a name of {len(name):,} characters ({shown} ...), expected at most {LONGEST}")
    seen = name.translate(_JOINERS)
    if not seen or not (seen.isprintable() or all(c == " " or unicodedata.category(c) not in _REFUSED for c in seen)):
        raise ValueError(f"found {shown}, expected a name without control characters, line breaks or invisible marks")
    if name != name.strip():
        raise ValueError(f"found {shown}, expected a name without spaces around it")
    leads_out = not {".", ".."}.isdisjoint(re.split(r"[/\\]", name))
    absolute = name != "/" and (PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute())
    if leads_out or absolute:
        raise ValueError(f"found {shown}, expected a name that is no path to another place")
    return name


def check_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """The ``names`` of K classes, if each is valid (see :func:`check_name`) and no two look the same.

    Raises:
        ValueError: one or more is not, or there are too many; the first few are named.
    """
    if len(names) > MOST_CLASSES:
        raise ValueError(f"found {len(names):,} classes, expected at most {MOST_CLASSES:,}")
    faults: list[str] = []
    seen: dict[str, str] = {}
    for number, name in enumerate(names):
        try:
            looks = unicodedata.normalize("NFC", check_name(name).translate(_JOINERS))
            if looks in seen:
                raise ValueError(f"found {printable(name[:40])!r} twice, expected each name once")
            seen[looks] = name
        except ValueError as error:
            faults.append(f"class {number}: {error}")
    if faults:
        more = f"; and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
        raise ValueError("; ".join(faults[:_SHOWN]) + more)
    return tuple(names)


def check_file_name(name: str) -> str:
    """``name``, if it is valid (see :func:`check_name`) and has no separator of a path.

    Raises:
        ValueError: it is not.
    """
    if not {"/", "\\"}.isdisjoint(check_name(name)):
        raise ValueError(f"found {printable(name[:40])!r}, expected a name without / and \\")
    return name


def as_file_name(text: str) -> str:
    """The valid name nearest to ``text``, in which ``_`` stands for each character that a name cannot have."""
    name = "".join(c if c.isprintable() and c not in "/\\" else "_" for c in text)[:LONGEST].strip()
    return "_" if name in ("", ".", "..") else name


def folder_of_class(name: str) -> str:
    """The folder that holds the images of the class ``name``: itself, or with ``%2F`` for ``/`` and so on for all that
    a file
    system could take for something else. Two names never share a folder. :func:`class_of_folder` is the way back,
    except from
    names of more than 255 bytes, which are cut and end in a hash.
    """
    last = len(name) - 1

    def unsafe(place: int, c: str) -> bool:
        if c == "%":
            return re.match("[0-9A-Fa-f]{2}|~", name[place + 1 : place + 3]) is not None
        at_an_end = (
            (place == 0 and c in ". ")
            or (place == last and c in ". ")
            or (place == 0 and name.partition(".")[0].lower() in _RESERVED)
        )
        return at_an_end or c in _UNSAFE_IN_FOLDERS or not c.isprintable()

    parts = (_percent(c) if unsafe(place, c) else c for place, c in enumerate(name))
    folder = "".join(parts)
    if 0 < len(folder.encode()) <= _LONGEST_FOLDER:
        return folder
    import hashlib  # hardly ever needed, and `tenfold --help` is quick

    mark = "%~" + hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return folder.encode()[: _LONGEST_FOLDER - len(mark)].decode("utf-8", "ignore") + mark


def class_of_folder(folder: str) -> str:
    """The class whose images :func:`folder_of_class` puts into ``folder``; ``folder`` itself where none is spelt so."""
    try:
        name = re.sub("(?:%[0-9A-F]{2})+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), folder)
    except UnicodeDecodeError:
        return folder
    return name if folder_of_class(name) == folder else folder


def _percent(c: str) -> str:
    return "".join(f"%{byte:02X}" for byte in c.encode("utf-8", "surrogatepass"))


def c_string(text: str) -> str:
    """``text`` between the quotes of a C string: UTF-8 bytes, those that are no plain letters as octal escapes."""
    return "".join(
        chr(byte) if byte in _PLAIN_IN_C else f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogatepass")
    )


def c_comment(text: str) -> str:
    """``text`` inside a C comment: letters, digits and little else, in one line."""
    return "".join(c for c in text if c.isalnum() or c in " ._-")


def markdown(text: str) -> str:
    """``text`` as the same text in Markdown, wherever in a line: nothing in it is markup, a link, a formula or a
    list.
    """
    line = " ".join(printable(text).split())
    numbered = re.match(r"\d+\.(\s|$)", line)

    def plain(place: int, c: str) -> bool:
        if c == ".":
            return not numbered and "www." not in line.lower()
        if c in "-+":
            return place > 0
        return c.isalnum() or c in _PLAIN_IN_MARKDOWN or unicodedata.category(c).startswith("M")

    return "".join(c if plain(place, c) else f"&#{ord(c)};" for place, c in enumerate(line))


def markdown_code(text: str) -> str:
    """``text`` as code inside a line of Markdown, with its backticks."""
    return f"`{(printable(text) or ' ').replace('`', chr(39))}`"


def yaml(content: object, indent: int | None = None) -> str:
    """``content`` as JSON that is YAML too: what a YAML reader refuses, or takes for a line break, is escaped as YAML
    has it.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else _yaml_escape(ord(c)) for c in text)


def _yaml_escape(code: int) -> str:
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Header and rows, comma-separated, LF at the end of every line, quotes only where needed."""
    lines = _Lines()
    # Python's writer quotes a carriage return, at which a spreadsheet begins another row, only where it is part of a
    # line's end
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerows([safe_cell(cell) for cell in row] for row in chain([header], rows))
    return "".join(lines)


class _Lines(list[str]):
    def write(self, line: str) -> None:
        """Take a line with CRLF at its end as one with LF."""
        self.append(line[:-2] + "\n")


def safe_cell(value: object) -> str:
    """``value`` as the text of a cell; text that a spreadsheet would compute gets an apostrophe in front.

    See OWASP, "CSV injection". Numbers stay as they are, the sign included.
    """
    text = "" if value is None else str(value)
    acts = text.lstrip().startswith(_STARTS_FORMULA) or text.startswith(_BLANKS)
    return f"'{text}" if acts and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return not any(c in text for c in _BLANKS)
