"""Files with next to nothing in them: every format refuses them as files, with a reason, whatever their name."""

import re

import pytest

from motion_data.readers import FormatError, ReadOptions, registry

OPTIONS = ReadOptions(layout="coco17", frame_size=(9, 9))
CONTENTS = {
    "nothing": b"",
    "byte order marks": (b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\xff\xfe\0"),
    "white space": (b"\n", b" \n\n", b",,,\n,,,\n", b"#\n#"),
    "json": (b"[]", b"{}", b"null", b"0", b"[{}]", b"[[[]]]", b'{"a": []}', b"[1"),
    "lists in cells": (b"keypoints\n[\n", b'keypoints,x\n"[nan]"\n', b"x,y\n[,[\n"),
    "zeros": b"\0" * 50,
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize(
    "known", [known for known in registry.formats().values() if not known.needs_poses], ids=lambda known: known.name
)
def test_small_files_are_refused(tmp_path, known, kind):
    contents = CONTENTS[kind]
    for content in (contents,) if isinstance(contents, bytes) else contents:
        for suffix in re.findall(r"\.[a-z]\w+", known.description) or (".json",):
            path = tmp_path / f"a{suffix}"
            path.write_bytes(content)
            registry.format_of(path)
            with pytest.raises(FormatError) as caught:
                list(known.read(path, OPTIONS))
            assert caught.value.reason
