"""What a model was asked, what it wrote and what stands there; a vector that is a picture is drawn."""

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from charrnn.report.contents import Account
from charrnn.report.markup import inert, table

SIDE = 64  # pixels of a picture's longer side
DRAWN = 8  # vectors of a record
PIXELS = 1 << 14  # of a picture; a larger one is left out


def answers(account: Account) -> str:
    """A line for each question, or for what was to be described."""
    if not account.answers:
        return ""
    lines = []
    for each in account.answers:
        pictures = "" if account.shape is None else "".join(picture(v, account.shape) for v in each.vectors[:DRAWN])
        numbers = f"{len(each.vectors)} vectors " if each.vectors and not pictures else ""
        mark = "" if each.written.strip() == each.expected.strip() else ' class="notice"'
        cells = (f"<td{mark}>{inert(text.strip())}</td>" for text in (each.written, each.expected))
        lines.append(f"<tr><td>{pictures}{numbers}{inert(each.question)}</td>{''.join(cells)}</tr>")
    found = table(lines, ["asked", "written", "expected"])
    choice = "symbol" if account.labels is None else "label"
    return f"<h3>Answers</h3><p>To the first records that were held out, each {choice} the likeliest.</p>{found}"


def picture(vector: Sequence[float], shape: tuple[int, int]) -> str:
    """A vector as a picture, from its smallest number (black) to its largest (white); nothing if it is no such one."""
    rows, columns = shape
    if len(vector) != rows * columns or len(vector) > PIXELS:
        return ""
    values = np.array(vector, dtype=np.float64).reshape(rows, columns)
    span = float(np.ptp(values)) or 1.0
    content = base64.b64encode(png(np.rint(255 * (values - values.min()) / span).astype(np.uint8))).decode()
    size = f'width="{SIDE * columns // max(shape)}" height="{SIDE * rows // max(shape)}"'
    return f'<img class="picture" alt="a vector as a picture" {size} src="data:image/png;base64,{content}"> '


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """An image (rows, columns) as a PNG file."""
    rows, columns = grey.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    lines = b"".join(b"\0" + row.tobytes() for row in grey)  # 0: no filter
    head = struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)  # 8 bits, grey
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
