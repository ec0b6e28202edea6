"""Reads a C3D file with ezc3d in a process of its own, started by `c3d.py`: damaged files can end the process.

python c3d_worker.py FILE OUTPUT writes the labels, unit, screen axes, rate and points [F, P, 3] to OUTPUT (.npz).
Points that were not measured are NaN.
"""

import sys

import ezc3d
import numpy as np


def main() -> None:
    content = ezc3d.c3d(sys.argv[1])
    points = content["parameters"]["POINT"]

    def text(name: str) -> str:
        value = points.get(name, {}).get("value", [])
        return str(value[0]) if len(value) else ""

    labels, number = [], 1  # labels after the 255th are in parameters of their own
    while (name := "LABELS" if number == 1 else f"LABELS{number}") in points:
        labels += [str(label) for label in points[name]["value"]]
        number += 1
    xyz = content["data"]["points"][:3].transpose(2, 1, 0)  # F P 3
    residuals = content["data"]["meta_points"]["residuals"][0].T  # F P
    with np.errstate(invalid="ignore"):
        is_measured = (residuals >= 0) & (xyz != 0).any(-1)
    np.savez(
        sys.argv[2],
        labels=np.array(labels[: xyz.shape[1]], "U"),
        unit=text("UNITS"),
        screen=[text("X_SCREEN"), text("Y_SCREEN")],
        num_analog=content["data"]["analogs"].size // max(len(xyz), 1),
        rate=float(content["header"]["points"]["frame_rate"]),
        points=np.where(is_measured[..., None], xyz, np.nan),
    )


if __name__ == "__main__":
    main()
