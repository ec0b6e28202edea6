"""MoFM for action recognition (DT1): the encoder, its tokens by body part and time slice, and a head.

A mean over all tokens loses which limb did what and when; body parts keep it. The head is linear, or has two hidden
layers: each part is projected to a few numbers, with weights of its own key-point, then the parts of a slice are
mixed, and the slices are concatenated. A `MotionReader` may give a second prediction.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from ..configuration_mofm import MoFMConfig
from ..embeddings import MotionEmbeddings, centred_in_map, parts_of
from ..modeling_mofm import MoFMModel, MoFMModelOutput, MoFMPreTrainedModel
from .motion_reader import MotionReader, TimeConvolution


@dataclass
class MoFMForSequenceClassificationOutput(ModelOutput):
    """
    Args:
        loss: scalar, if labels are given: cross-entropy, or binary cross-entropy for multi-label problems.
        logits: `[B, num_labels]`; with a `MotionReader`, of the mean of its probabilities and the head's.
        head_logits, motion_logits: `[B, num_labels]`, the logits of each, if there is a `MotionReader`.
        parts: `[B, T, K, D]`, input of the head: one vector per key-point and time slice, averaged over the people who
            have it; 0 if nobody has. 2 D numbers if the head reads clips twice (`classifier_centered`).
        hidden_states, attentions: of each layer and person, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    head_logits: Tensor | None = None
    motion_logits: Tensor | None = None
    parts: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MoFMForSequenceClassification(MoFMPreTrainedModel):
    """The encoder with a head on the body parts of a clip, averaged over the people who are in it.

    `config.classifier_part_size` chooses the head, `config.classifier_centered` whether it reads clips twice, and
    `config.classifier_motion_size` whether there is a `MotionReader`.
    `config.problem_type` is "single_label_classification" (the default) or "multi_label_classification".
    """

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        if config.problem_type == "regression":
            raise ValueError(
                "problem_type must be 'single_label_classification' or 'multi_label_classification', got 'regression'"
            )
        self.mofm = MoFMModel(config)
        size = config.hidden_size * (2 if config.classifier_centered else 1)
        self.norm = nn.LayerNorm(size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.classifier_dropout)
        slice_size = config.num_keypoints * (config.classifier_part_size or size)
        if config.classifier_part_size:
            # a matrix for each key-point, as a convolution over slices with a group for each
            sizes = (config.num_keypoints * size, slice_size)
            self.part_projection = nn.Conv1d(*sizes, kernel_size=1, groups=config.num_keypoints)
            self.slice_mixer = nn.Linear(slice_size, config.classifier_slice_size)
            slice_size = config.classifier_slice_size
        self.classifier = nn.Linear(config.grid_size[0] * slice_size, config.num_labels)
        self.motion_reader = MotionReader(config) if config.classifier_motion_size else None
        self.post_init()

    def freeze_unused(self) -> None:
        """See `MoFMPreTrainedModel.freeze_unused`."""
        self.mofm.embeddings.mask_token.requires_grad_(False)  # nothing is masked

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, TimeConvolution):  # weights as small as the encoder's would vanish in its norms
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
        else:
            super()._init_weights(module)

    @can_return_tuple
    def forward(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoFMForSequenceClassificationOutput:
        """Classify clips.

        Args:
            keypoints, scores, heatmaps: as in `MoFMModel.forward`. People without joints are ignored; the logits of a
                clip without people have no meaning.
            labels: `[B]` class ids, or `[B, num_labels]` 0 or 1 for multi-label problems.

        Raises:
            ValueError: shapes that are not the configuration's, or labels of another shape.
        """
        config = self.config
        if config.ignored_keypoints:
            scores, heatmaps = self._leave_out(keypoints, scores, heatmaps)
        found, outputs = self._read(keypoints, scores, heatmaps, **kwargs)
        if config.classifier_centered:
            centred = centred_in_map(keypoints, scores, config, "classifier_centered")
            found = found.beside(self._read(centred, scores, None)[0])
        parts = self.norm(found.parts) * found.present[..., None]
        if parts.ndim == 5:
            parts = parts.sum(1) / found.present.sum(1)[..., None].clamp(min=1)
        logits = self.classify_parts(parts)
        loss = None if labels is None else self.loss(logits, labels)
        head_logits = motion_logits = None
        if self.motion_reader is not None:
            head_logits, motion_logits = logits, self.read_motion(keypoints, scores)
            logits = self.average(head_logits, motion_logits)
            if labels is not None:
                loss = loss + self.loss(motion_logits, labels)
        return MoFMForSequenceClassificationOutput(
            loss=loss,
            logits=logits,
            head_logits=head_logits,
            motion_logits=motion_logits,
            parts=parts,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def _read(
        self, keypoints: Tensor | None, scores: Tensor | None, heatmaps: Tensor | None, **kwargs: object
    ) -> tuple[MotionEmbeddings, MoFMModelOutput]:
        """Return the parts of clips, `[B(, M), T, K, D]`, and the outputs of the encoder."""
        clips = self.read_clips(keypoints, scores, heatmaps)
        outputs = self.mofm(clips=clips, **kwargs)
        found = parts_of(outputs.on_grid(outputs.last_hidden_state, self.config.num_cubes), clips, self.config)
        return found, outputs

    def classify_parts(self, parts: Tensor) -> Tensor:
        """Return the logits `[B, num_labels]` of `parts` as they are in the outputs, `[B, T, K, D]`."""
        if self.config.classifier_part_size:
            reduced = self.part_projection(parts.flatten(2).transpose(1, 2)).transpose(1, 2)
            parts = F.gelu(self.slice_mixer(self.dropout(F.gelu(reduced))))
        return self.classifier(self.dropout(parts.flatten(1)))

    def read_motion(self, keypoints: Tensor | None, scores: Tensor | None) -> Tensor:
        """Return the logits of the `MotionReader`, `[B, num_labels]`; for the arguments see `forward`."""
        if keypoints is None:
            size = self.config.classifier_motion_size
            raise ValueError(f"classifier_motion_size is {size} and reads how key-points move; keypoints is None")
        if scores is None:
            scores = torch.ones_like(keypoints[..., 0])
        if self.config.ignored_keypoints:
            scores, _ = self._leave_out(keypoints, scores, None)
        return self.motion_reader(keypoints, scores)

    def average(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the logits of the mean of two predictions' probabilities, `[B, num_labels]`."""
        answers = torch.stack((first, second)).float()
        if self.config.problem_type == "multi_label_classification":
            return F.logsigmoid(answers).logsumexp(0) - F.logsigmoid(-answers).logsumexp(0)
        return answers.log_softmax(-1).logsumexp(0) - math.log(2)

    def _leave_out(
        self, keypoints: Tensor | None, scores: Tensor | None, heatmaps: Tensor | None
    ) -> tuple[Tensor | None, Tensor | None]:
        """Return scores and heat-maps without the key-points that the configuration ignores."""
        ignored = list(self.config.ignored_keypoints)
        if keypoints is not None:
            scores = keypoints.new_ones(keypoints.shape[:-1]) if scores is None else scores
            kept = torch.ones(scores.shape[-1], dtype=torch.bool, device=scores.device)
            kept[ignored] = False
            scores = torch.where(kept, scores, torch.zeros_like(scores))
        if heatmaps is not None:
            kept = torch.ones(heatmaps.shape[-4], 1, 1, 1, dtype=heatmaps.dtype, device=heatmaps.device)
            kept[ignored] = 0
            heatmaps = heatmaps * kept
        return scores, heatmaps

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities, `[B, num_labels]`: a softmax, or sigmoids for multi-label problems."""
        multi_label = self.config.problem_type == "multi_label_classification"
        return logits.float().sigmoid() if multi_label else logits.float().softmax(-1)

    def loss(self, logits: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Return the loss of `logits` [B, num_labels]; `label_smoothing` applies to single labels only."""
        if self.config.problem_type == "multi_label_classification":
            if labels.shape != logits.shape:
                raise ValueError(f"labels must be {list(logits.shape)} as logits are, got {list(labels.shape)}")
            return F.binary_cross_entropy_with_logits(logits.float(), labels.float())
        if labels.shape != logits.shape[:1]:
            raise ValueError(f"labels must be {list(logits.shape[:1])}, one class a clip, got {list(labels.shape)}")
        return F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
