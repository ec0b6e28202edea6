"""What the titles of a table say: joints, axes, frames, people."""

import pytest

from motion_data.layouts import COCO_KEYPOINTS
from motion_data.readers.tables.table_columns import find_columns, one_by_one


@pytest.mark.parametrize(
    "title",
    [
        *("{joint}_{axis}", "{axis}_{joint}", "{joint}.{axis}", "{joint}-{axis}", "{joint} {axis}", "{joint}/{axis}"),
        *("{joint} ({axis})", "{joint}[{axis}]", "{joint}_{axis}_px", "{joint} {axis} (pixels)", "{joint}_pos_{axis}"),
        *("{joint}_coord_{axis}", "keypoints.{joint}.{axis}", "{axis}_coordinate_{joint}", "kpt_{joint}_{axis}"),
    ],
)
def test_a_title_is_a_joint_and_an_axis(title):
    header = ["frame", *(title.format(joint=joint, axis=axis) for joint in COCO_KEYPOINTS for axis in "yx")]
    columns = find_columns([header])
    assert columns.frame == 0 and columns.places[:, :2].tolist() == [[2 * k + 2, 2 * k + 1] for k in range(17)]
    assert not columns.twice and (columns.places[:, 2:] == -1).all()
    for name, joint in zip(columns.joints, COCO_KEYPOINTS, strict=True):
        assert name.endswith(joint)


@pytest.mark.parametrize("title", ["x{k}", "{k}_x", "kp{k}_x", "kpt_{k:02d}_x", "keypoint.{k}.x", "LANDMARK {k} X"])
def test_joints_without_names_are_in_the_order_of_their_numbers(title):
    titles = [title.format(k=k) for k in reversed(range(17))]
    header = [one for x in titles for one in (x, x.replace("x", "y").replace("X", "Y"))]
    columns = find_columns([header])
    assert columns.joints == [str(k) for k in range(17)] and columns.places[0, :2].tolist() == [32, 33]


def test_u_and_v_are_the_axes_of_the_picture():
    for title in ("{joint}_{axis}", "{axis}{number}"):
        header = [
            title.format(joint=name, number=k, axis=axis) for k, name in enumerate(COCO_KEYPOINTS) for axis in "uv"
        ]
        columns = find_columns([header])
        assert columns.places[:, :3].tolist() == [[2 * k, 2 * k + 1, -1] for k in range(17)]
        assert not columns.has_visibility
    columns = find_columns([["frame", "joint", "u", "v", "conf"]])
    assert columns.places.tolist() == [[2, 3, 4, -1]] and not columns.has_visibility
    columns = find_columns([["frame", "joint", "x", "y", "v"]])
    assert columns.places.tolist() == [[2, 3, 4, -1]] and columns.has_visibility


def test_two_columns_for_one_coordinate_are_told():
    header = [f"{joint}_{axis}" for joint in COCO_KEYPOINTS for axis in "xy"]
    assert find_columns([[*header, "left_hip_x_px"]]).twice == "left_hip_x and left_hip_x_px"
    rows = ["frame", "joint", "x", "y"]
    assert not find_columns([rows]).twice and find_columns([[*rows, "pixel_x"]]).twice == "x and pixel_x"


def test_titles_in_two_lines():
    joints = [joint for joint in COCO_KEYPOINTS for _ in "xy"]
    columns = find_columns([["", *joints], ["", *["x", "y"] * 17], ["0", *["1.5"] * 34]])
    assert columns.first_row == 2 and columns.frame == 0 and columns.joints == list(COCO_KEYPOINTS)


def test_animals_beside_each_other_become_rows():
    """DeepLabCut: what only one of them has is empty for the others, and rows of nobody are left out."""
    heads = [
        ["scorer", *["net"] * 5],
        ["individuals", "a", "a", "a", "b", "b"],
        ["bodyparts", "nose", "nose", "tail", "nose", "nose"],
        ["coords", "x", "y", "x", "x", "y"],
    ]
    rows = one_by_one([*heads, ["0", "1", "2", "3", "4", "5"], ["1", "6", "7", "8", "", ""]])
    assert rows == [
        ["frame", "person", "nose_x", "nose_y", "tail_x"],
        ["0", "a", "1", "2", "3"],
        ["1", "a", "6", "7", "8"],
        ["0", "b", "4", "5", ""],
    ]


@pytest.mark.parametrize("head", [[], [[]], [["a", "b"]], [["nose_x", "nose_y"]], [["x", "y", "joint"]]])
def test_other_tables(head):
    assert find_columns(head) is None
