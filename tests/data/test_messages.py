"""What is said of each bad table, word for word: ``messages.txt`` holds it, so that a changed word is seen and read.

After a change that is meant: ``python tests/data/test_messages.py`` writes the file anew; read its diff.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _bad_tables import BAD, BODY, GOOD, HEAD, Bad, header, with_cell, with_row
from tenfold.data import ReadOptions
from tenfold.data.load import load
from tenfold.errors import DataError

SAID = Path(__file__).with_name("messages.txt")

# Beside the cases of the specification, one for each limit, ending and spelling that a message depends on.
MORE = [
    Bad("grid from 0", b"label,0x0,0x1,1x1\n1,2,3,4\n", ""),
    Bad("grid of two rows and three columns", b"label,1x1,1x2,1x3,2x1,2x3\n" + BODY, ""),
    Bad("grid of one missing at its end", b"label,1x1,1x2,2x1\n1,2,3,4\n", ""),
    Bad("pixels from 2", b"label,pixel2,pixel3,pixel4,pixel5\n" + BODY, ""),
    Bad("pixels from 1, one too many", b"label,pixel1,pixel2,pixel3,pixel4,pixel5\n1,2,3,4,5,6\n", ""),
    Bad("pixels from 1, one missing", b"label," + b",".join(b"pixel%d" % n for n in range(1, 9)) + b"\n", ""),
    Bad("colour from 0", header(12), ""),
    Bad("three times what is no square", header(21), ""),
    Bad("fifteen pixels", header(15), ""),
    Bad("a name of 40 characters", GOOD.replace(b"pixel2", b"p" * 40), ""),
    Bad("a name of 41 characters", GOOD.replace(b"pixel2", b"p" * 41), ""),
    Bad("a quoted name", GOOD.replace(b"pixel2", b' "weight" '), ""),
    Bad("a name that is one quote", GOOD.replace(b"pixel2", b'"'), ""),
    Bad("a value of 40 characters", with_cell(b"7" * 40), ""),
    Bad("a value of 41 characters", with_cell(b"7" * 41), ""),
    Bad("a field of exactly the longest", with_cell(b"1" * 131_072), ""),
    Bad("bars", GOOD.replace(b",", b"|"), ""),
    Bad("rows with tabs", HEAD + BODY.replace(b",", b"\t"), ""),
    Bad("one field", with_row(3, b"7"), ""),
    Bad("two fields", with_row(3, b"7,0"), ""),
    Bad("two too many", with_row(3, b"0,7,0,0,200,1,2"), ""),
    Bad("cut before its last field", GOOD[:-4], ""),
    *(Bad(f"an empty {n}th field", header(n - 2) + b"1" + b",0" * (n - 2) + b",\n", "", options=ReadOptions(shape=(1, 1, n - 2)))
      for n in (4, 11, 12, 13, 21, 22, 23, 24, 111, 112, 113, 121, 1013)),
    Bad("an empty 3rd field", b"label,pixel0\n1,2,\n", ""),
    Bad("scaled, whole, in between", HEAD + b"1,0,1,0.5,1\n1,2,3,4,5\n", ""),
    Bad("just above 1", HEAD + b"1,0,1.01,0.5,1\n", ""),
    Bad("decimals up to 255", HEAD + b"1,0.0,255.0,5.,1e0\n", ""),
    Bad("decimals above 255", HEAD + b"1,0.0,256.0,5.,1e0\n", ""),
    Bad("a decimal that is quoted", with_cell(b' "12.0" '), ""),
    Bad("a decimal in the label", with_row(3, b"3.0,1,2,3,4"), ""),
    Bad("scaled beyond", HEAD + b"1,0,16,16.5,1\n", "", options=ReadOptions(scale=16)),
    Bad("no header, a test table of five", b"1,2,3,4,5\n", "", role="test", options=ReadOptions(header=False)),
    Bad("no header, one field", b"1\n", "", options=ReadOptions(header=False)),
    Bad("no header, another shape", b"1,2,3,4,5\n", "", options=ReadOptions(header=False, shape=(1, 2, 3))),
    Bad("numbers with signs for a header", b"-1,+2.5,3e5,.5,1E-3\n" + BODY, ""),
    Bad("a number and a name for a header", b"label,1\n" + BODY, ""),
]  # fmt: skip


def said_of(bad: Bad, folder: Path) -> str:
    """What is said, with FILE for the path; "read" for a table that is read after all."""
    path = folder / bad.name
    path.write_bytes(bad.content)
    try:
        data = load(path, bad.role, bad.options, cache=False)
    except DataError as error:
        return "\n    ".join(error.lines()).replace(str(path), "FILE")
    return f"read: {data.images.shape}, {'; '.join(data.notes) or 'no note'}"


def everything(folder: Path) -> str:
    """The file as it should be."""
    return "".join(f"{bad.case}\n    {said_of(bad, folder)}\n" for bad in [*BAD, *MORE])


def test_each_bad_table_is_refused_in_these_words(tmp_path: Path) -> None:
    assert everything(tmp_path) == SAID.read_text("utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as here:
        SAID.write_text(everything(Path(here)), "utf-8")
