"""Folders of arrays, one for each picture."""

import numpy as np
import pytest

from motion_data.readers import FormatError, ReadOptions, registry
from motion_data.readers.arrays.array_folder import read_npy_folder

OPTIONS = ReadOptions(min_track=1, layout="coco17")


def body(frame, person=0):
    """x, y, score `[17, 3]` of a person who walks to the right."""
    k = np.arange(17)
    return np.stack([100 + 300 * person + 2 * frame + k, 60 + 9.0 * k, np.linspace(0.4, 1, 17)], 1)


def write(folder, arrays):
    for number, array in arrays.items():
        np.save(folder / f"frame_{number}.npy", array)
    return folder


@pytest.mark.parametrize("people", [1, 2])
@pytest.mark.parametrize("size", [2, 3])
def test_frames_are_in_the_order_of_their_numbers(tmp_path, people, size):
    arrays = {n: np.stack([body(n, p)[:, :size] for p in range(people)]) for n in (8, 9, 10, 11, 13)}
    if people == 1:
        arrays = {n: array[0] for n, array in arrays.items()}
    folder = write(tmp_path, arrays | {12: np.zeros((0, 17, size))})
    assert registry.format_of(folder).name == "npy-folder"
    (recording,) = read_npy_folder(folder, OPTIONS)
    assert recording.keypoints.shape == (people, 6, 17, 2) and recording.first_frame == 8
    assert (recording.scores[0] > 0).all(-1).tolist() == [True] * 4 + [False, True]
    for person in range(people):
        np.testing.assert_allclose(recording.keypoints[person, 2], body(10, person)[:, :2], rtol=1e-6)
        expected = body(10)[:, 2] if size == 3 else 1
        np.testing.assert_allclose(recording.scores[person, 2], expected, rtol=1e-6)


def test_a_folder_of_recordings_is_none(tmp_path):
    write(tmp_path, {n: np.stack([body(f) for f in range(30)]) for n in range(6)})
    assert registry.format_of(tmp_path) is None


def test_what_is_refused(tmp_path):
    folder = write(tmp_path, {n: body(n) for n in range(6)})
    with pytest.raises(FormatError, match="it may be coco17 or h36m17; name the layout"):
        list(read_npy_folder(folder, ReadOptions()))
    with pytest.raises(FormatError, match="is 3D; save all frames as one array"):
        list(read_npy_folder(write(tmp_path, {n: body(n) * [1, 1, -50] for n in range(6)}), OPTIONS))
    with pytest.raises(FormatError, match=r"shapes \[\(16, 3\), \(17, 3\)\]; all must have the same joints"):
        list(read_npy_folder(write(tmp_path, {3: body(3)[1:]}), OPTIONS))
    with pytest.raises(FormatError, match="frame_4.npy: is float64 .* it must be .people, joints, 2 or 3. numbers"):
        list(read_npy_folder(write(tmp_path, {4: np.zeros((2, 2, 17, 2))}), OPTIONS))
    (folder / "frame_5.npy").write_bytes(b"damaged")
    assert registry.format_of(folder) is None
