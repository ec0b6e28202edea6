"""Runs MediaPipe Pose on pictures from standard input; started by `mediapipe_pose.py`, with MediaPipe's Python.

It imports nothing but MediaPipe and what comes with it. Standard input: a line of JSON with `width` and `height`,
then pictures of height * width * 3 bytes (RGB). Standard output: a line of JSON for each picture, null or 33 landmarks
[x, y, visibility], x and y as shares of the picture.
"""

import json
import os
import sys


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is no answer
    import mediapipe
    import numpy

    pose = mediapipe.solutions.pose.Pose(model_complexity=1)
    if sys.argv[1:] == ["--check"]:
        return
    pictures = sys.stdin.buffer
    size = json.loads(pictures.readline())
    shape = size["height"], size["width"], 3
    num_bytes = shape[0] * shape[1] * shape[2]
    while True:
        data = pictures.read(num_bytes)
        if len(data) < num_bytes:
            return
        found = pose.process(numpy.frombuffer(data, numpy.uint8).reshape(shape)).pose_landmarks
        person = found and [[point.x, point.y, point.visibility] for point in found.landmark]
        answers.write(json.dumps(person) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
