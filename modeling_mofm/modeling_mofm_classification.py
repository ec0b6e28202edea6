"""MoFM for action recognition (DT1): the encoder, the mean over tokens and people, and a linear head."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from tokenization_mofm.clip_inputs import people_axis

from .configuration_mofm import MoFMConfig
from .modeling_mofm import MoFMModel, MoFMPreTrainedModel


@dataclass
class MoFMForSequenceClassificationOutput(ModelOutput):
    """
    Args:
        loss: scalar, where labels are given: cross-entropy, or binary cross-entropy where the problem is multi-label.
        logits: `[B, num_labels]`.
        pooler_output: `[B, D]`, what the head saw: the embedding of the clip.
        hidden_states, attentions: of each layer and person, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MoFMForSequenceClassification(MoFMPreTrainedModel):
    """The encoder with a linear head on the mean of a clip's tokens, averaged over the people who are in it.

    `config.problem_type` is "single_label_classification" (the default) or "multi_label_classification".
    """

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        if config.problem_type == "regression":
            raise ValueError(
                "problem_type must be 'single_label_classification' or 'multi_label_classification', got 'regression'"
            )
        self.mofm = MoFMModel(config)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
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
        outputs = self.mofm(keypoints, scores, heatmaps, **kwargs)
        pooled = outputs.pooler_output
        if (people := people_axis(keypoints, heatmaps)) is not None:
            there = self.people_there(keypoints, scores, heatmaps).unflatten(0, people)[..., None]  # B M 1
            pooled = (pooled * there).sum(1) / there.sum(1).clamp(min=1)
        logits = self.classifier(self.dropout(self.norm(pooled)))
        return MoFMForSequenceClassificationOutput(
            loss=None if labels is None else self.loss(logits, labels),
            logits=logits,
            pooler_output=pooled,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
        )

    def people_there(self, keypoints: Tensor | None, scores: Tensor | None, heatmaps: Tensor | None) -> Tensor:
        """Tell which people have any joint, bool `[N]`."""
        if heatmaps is not None:
            return (heatmaps > 0).flatten(2).any(-1).flatten()
        if scores is None:
            return torch.ones(keypoints.shape[:2].numel(), dtype=torch.bool, device=keypoints.device)
        return (scores > 0).flatten(2).any(-1).flatten()

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.config.problem_type == "multi_label_classification":
            if labels.shape != logits.shape:
                raise ValueError(f"labels must be {list(logits.shape)} as logits are, got {list(labels.shape)}")
            return F.binary_cross_entropy_with_logits(logits.float(), labels.float())
        if labels.shape != logits.shape[:1]:
            raise ValueError(f"labels must be {list(logits.shape[:1])}, one class a clip, got {list(labels.shape)}")
        return F.cross_entropy(logits.float(), labels)
