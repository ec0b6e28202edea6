"""Pickles as Python 2 wrote them: text and the bytes of arrays are the same kind of string."""

import io
import pickle
import struct


class _Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, content):
        size = struct.pack("<i", len(content))
        start = pickle.SHORT_BINSTRING + size[:1] if len(content) < 256 else pickle.BINSTRING + size
        self.write(start + content)

    def save_text(self, text):
        self.save_bytes(text.encode("latin-1"))

    dispatch[bytes] = save_bytes
    dispatch[str] = save_text


def dumps(content):
    """Pickle `content` as Python 2 and the NumPy of its time did."""
    file = io.BytesIO()
    _Pickler(file, 2).dump(content)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")
