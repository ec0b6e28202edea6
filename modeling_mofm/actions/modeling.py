"""MoFM for action recognition (DT1): the encoder, its tokens by body part and time slice, and a linear head.

A mean over all tokens forgets which limb did what and when; body parts keep it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from ..configuration_mofm import MoFMConfig
from ..modeling_mofm import MoFMModel, MoFMPreTrainedModel
from ..part_pooling import pool_parts


@dataclass
class MoFMForSequenceClassificationOutput(ModelOutput):
    """
    Args:
        loss: scalar, where labels are given: cross-entropy, or binary cross-entropy where the problem is multi-label.
        logits: `[B, num_labels]`.
        parts: `[B, T, K, D]`, what the head sees: each key-point in each time slice, the mean over the people who have
            it; 0 where nobody has.
        hidden_states, attentions: of each layer and person, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    parts: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MoFMForSequenceClassification(MoFMPreTrainedModel):
    """The encoder with a linear head on the body parts of a clip, averaged over the people who are in it.

    `config.problem_type` is "single_label_classification" (the default) or "multi_label_classification".
    """

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        if config.problem_type == "regression":
            raise ValueError(
                "problem_type must be 'single_label_classification' or 'multi_label_classification', got 'regression'"
            )
        self.mofm = MoFMModel(config)
        self.mofm.embeddings.mask_token.requires_grad_(False)  # nothing is masked
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.grid_size[0] * config.num_keypoints * config.hidden_size, config.num_labels)
        self.post_init()

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
            keypoints, scores, heatmaps: as in `MoFMModel.forward`. People without a joint do not count; of a clip
                without anyone only the logits mean nothing.
            labels: `[B]` class ids, or `[B, num_labels]` 0 or 1 where the problem is multi-label.

        Raises:
            ValueError: shapes that are not the configuration's, or labels of another shape.
        """
        config = self.config
        if config.ignored_keypoints:
            scores, heatmaps = self._leave_out(keypoints, scores, heatmaps)
        clips = self.read_clips(keypoints, scores, heatmaps)
        outputs = self.mofm(clips=clips, **kwargs)
        tokens = outputs.on_grid(outputs.last_hidden_state, config.num_cubes)
        present = clips.touched.unflatten(1, (config.grid_size[0], -1)).any(2)[..., None]  # N T K 1
        parts = self.norm(pool_parts(tokens, clips.touched, config.grid_size[0])) * present
        if clips.people is not None:
            parts, present = parts.unflatten(0, clips.people), present.unflatten(0, clips.people)
            parts = parts.sum(1) / present.sum(1).clamp(min=1)
        logits = self.classifier(self.dropout(parts.flatten(1)))
        return MoFMForSequenceClassificationOutput(
            loss=None if labels is None else self.loss(logits, labels),
            logits=logits,
            parts=parts,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

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
        """Return the probabilities of classes, `[B, num_labels]`, each on its own where the problem is multi-label."""
        multi_label = self.config.problem_type == "multi_label_classification"
        return logits.float().sigmoid() if multi_label else logits.float().softmax(-1)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.config.problem_type == "multi_label_classification":
            if labels.shape != logits.shape:
                raise ValueError(f"labels must be {list(logits.shape)} as logits are, got {list(labels.shape)}")
            return F.binary_cross_entropy_with_logits(logits.float(), labels.float())
        if labels.shape != logits.shape[:1]:
            raise ValueError(f"labels must be {list(logits.shape[:1])}, one class a clip, got {list(labels.shape)}")
        return F.cross_entropy(logits.float(), labels)
