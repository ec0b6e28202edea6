"""Key-points of pictures with Transformers' own models: an object detector finds people, ViTPose their joints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..detections import Detections
from .estimation_options import PoseEstimation

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

SURE = 0.5  # score of a detected person that counts
LAYOUTS = {17: "coco17", 133: "coco-wholebody"}  # of the public ViTPose checkpoints


class ViTPose:
    """A detector and a ViTPose behind the `PoseEstimator` interface.

    Args:
        options: names the models. On a CPU they run in float32 whatever they were saved in.

    Raises:
        ValueError: a model that cannot be loaded, or a detector without a class "person".
    """

    def __init__(self, options: PoseEstimation):
        import torch  # here, so that reading files does not load it
        from transformers import AutoModelForObjectDetection, VitPoseForPoseEstimation

        self.options = options
        self.threshold = SURE if options.threshold is None else options.threshold
        self.device = torch.device(options.device)
        self.detector, self.detector_processor = self._load("detector", options.detector, AutoModelForObjectDetection)
        self.pose_model, self.pose_processor = self._load("pose_model", options.pose_model, VitPoseForPoseEstimation)
        labels = self.detector.config.id2label
        self.person = next((number for number, name in labels.items() if name.lower() == "person"), None)
        if self.person is None:
            some = ", ".join(list(labels.values())[:5])
            raise ValueError(f"detector {options.detector!r} has no class 'person'; its classes are {some}, ...")
        self.num_joints: int = self.pose_model.config.num_labels
        self.layout: str | None = LAYOUTS.get(self.num_joints)

    def _load(self, option: str, name: str, kind: type) -> tuple[PreTrainedModel, object]:
        import torch
        from transformers import AutoImageProcessor

        try:
            dtype = torch.float32 if self.device.type == "cpu" else "auto"
            model = kind.from_pretrained(name, dtype=dtype).to(self.device).eval().requires_grad_(False)
            return model, AutoImageProcessor.from_pretrained(name)
        except (OSError, ValueError, RuntimeError, ImportError) as error:
            raise ValueError(f"{option} {name!r} cannot be loaded: {error}") from error

    def estimate(self, batches: Iterable[np.ndarray]) -> Iterator[Detections]:
        """See `PoseEstimator.estimate`."""
        first = 0
        for pictures in batches:
            boxes = self._find_people(pictures)
            keypoints, scores = self._find_joints(pictures, boxes)
            counts = [len(found) for found in boxes]
            yield Detections(
                frames=np.repeat(np.arange(first, first + len(pictures)), counts),
                people=np.full(sum(counts), -1),
                keypoints=keypoints,
                scores=scores,
                boxes=np.concatenate(boxes),
            )
            first += len(pictures)

    def _find_people(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Return the boxes `[people, 4]` (x0, y0, x1, y1, inside the picture) of each of `[N, H, W, 3]` pictures."""
        N, H, W, _ = pictures.shape
        outputs = self.detector(**self._inputs(self.detector_processor(list(pictures), return_tensors="pt")))
        found = self.detector_processor.post_process_object_detection(outputs, self.threshold, [(H, W)] * N)
        boxes = []
        for picture in found:
            corners = picture["boxes"][picture["labels"] == self.person].float().cpu().numpy().reshape(-1, 4)
            corners = corners.clip(0, [W, H, W, H])
            is_area = (corners[:, 2:] - corners[:, :2] >= 1).all(1)
            boxes.append(corners[is_area].astype(np.float32))
        return boxes

    def _find_joints(self, pictures: np.ndarray, boxes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return key-points `[D, K, 2]` and scores `[D, K]` of the people in boxes, batch by batch of people."""
        owners = np.repeat(np.arange(len(boxes)), [len(found) for found in boxes])
        corners = np.concatenate(boxes)
        sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)  # x, y, width, height, as in COCO
        keypoints = np.zeros((len(corners), self.num_joints, 2), np.float32)
        scores = np.zeros((len(corners), self.num_joints), np.float32)
        for start in range(0, len(corners), self.options.batch_size):
            chosen = slice(start, start + self.options.batch_size)
            people = [[side] for side in sides[chosen].tolist()]
            inputs = self.pose_processor(list(pictures[owners[chosen]]), boxes=people, return_tensors="pt")
            outputs = self.pose_model(**self._inputs(inputs), **self._expert(len(people)))
            outputs.heatmaps = outputs.heatmaps.float()
            for row, (person,) in enumerate(self.pose_processor.post_process_pose_estimation(outputs, people), start):
                keypoints[row] = person["keypoints"].numpy()
                scores[row] = person["scores"].numpy().clip(0, 1)
        return keypoints, np.where(self._in_crop(keypoints, corners), scores, 0)

    def _in_crop(self, keypoints: np.ndarray, corners: np.ndarray) -> np.ndarray:
        """Tell, `[D, K]`, which key-points lie in what the model saw: refining a flat heat-map can throw them out.

        The processor shows it the box with a quarter of room, brought to the shape of its input.
        """
        size = self.pose_processor.size
        aspect = size["width"] / size["height"]
        width, height = (corners[:, 2:] - corners[:, :2]).T
        width = 1.25 * np.maximum(width, height * aspect)
        reach = np.stack((width, width / aspect), -1)[:, None] / 2 * 1.02  # half a pixel of a heat-map beyond the edge
        middle = (corners[:, None, :2] + corners[:, None, 2:]) / 2
        return (np.abs(keypoints - middle) <= reach).all(-1)

    def _expert(self, people: int) -> dict[str, torch.Tensor]:
        """ViTPose+ has an expert per data set it was trained on; the first is COCO's."""
        if getattr(self.pose_model.config.backbone_config, "num_experts", 1) == 1:
            return {}
        import torch

        return {"dataset_index": torch.zeros(people, dtype=torch.long, device=self.device)}

    def _inputs(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        dtype = self.detector.dtype
        return {
            name: value.to(self.device, dtype if value.is_floating_point() else None) for name, value in inputs.items()
        }
