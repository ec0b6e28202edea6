"""Files as they come out of broken disks and hostile hands, and what every reader must make of them."""

import os
import re
import tracemalloc

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from motion_data.corpora.prepare import check_recording
from motion_data.readers import FormatError, registry

MAX_BYTES = 64 * 2**20
NUMBERS = ["", *"0 -1 1 2 7 65535 4294967296 99999999999999999999 1e308 nan inf -inf x".split()]

# of each test; more with MOFM_FUZZ=1500 python -m pytest tests/motion_data/readers -k damaged
EXAMPLES = int(os.environ.get("MOFM_FUZZ", "40"))

fuzz = settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def damaged(draw, content, is_text=False):
    """Draw damaged versions of the bytes `content`."""
    kinds = ["cut", "flip", "insert", "random"] + (["number", "line"] if is_text else ["word"])
    kind = draw(st.sampled_from(kinds))
    place = draw(st.integers(0, max(len(content) - 1, 0)))
    if kind == "cut":
        return content[:place]
    if kind == "random":
        return draw(st.binary(max_size=64)) if draw(st.booleans()) else content[:place] + draw(st.binary(max_size=64))
    if kind == "insert":
        return content[:place] + draw(st.binary(min_size=1, max_size=8)) + content[place:]
    if kind == "word":
        places = draw(st.lists(st.integers(0, min(len(content) - 1, 700)), min_size=1, max_size=3))
        word = draw(
            st.sampled_from([b"\0\0", b"\xff\xff", b"\xff\x7f", b"\x01\0", b"\xff\xff\xff\xff", b"\0\0\xc0\x7f"])
        )
        for start in places:
            content = content[:start] + word + content[start + len(word) :]
        return content
    if kind == "flip":
        content = bytearray(content)
        for start in draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
            content[start] = draw(st.integers(0, 255))
        return bytes(content)
    if kind == "line":
        lines = content.split(b"\n")
        number = draw(st.integers(0, len(lines) - 1))
        lines[number : number + 1] = [lines[number]] * draw(st.sampled_from([0, 2]))
        return b"\n".join(lines)
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", content))
    found = draw(st.sampled_from(numbers))
    return content[: found.start()] + draw(st.sampled_from(NUMBERS)).encode() + content[found.end() :]


def read_bounded(read, path, options):
    """Return the recordings of a file, or the FormatError; check the recordings, and the memory that reading takes."""
    tracemalloc.start()
    try:
        recordings = list(read(path, options))
        for recording in recordings:
            check_recording(recording, path)
            assert np.isfinite(recording.keypoints).all() and 0 <= recording.fps < 1e6
    except FormatError as error:
        recordings = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MAX_BYTES
    return recordings


def read_damaged(read, path, content, options):
    """Write the bytes `content` to a file, recognise it, which never raises, and return what `read_bounded` does."""
    path.write_bytes(content)
    registry.format_of(path)
    return read_bounded(read, path, options)
