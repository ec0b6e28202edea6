"""Pre-training of MoFM: predicting the MotionBook ids of masked cubes (section 3.3), and further objectives."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from tokenization_mofm.clip_inputs import ClipInputs

from ..configuration_mofm import MoFMConfig
from ..embeddings import MotionEmbeddings, parts_of
from ..masking import mask_cubes, noise_shape
from ..modeling_mofm import MoFMModel, MoFMModelOutput, MoFMPredictor, MoFMPreTrainedModel, check_per_cube
from .objectives import (
    ActionHead,
    CoordinateDecoder,
    ViewProjector,
    action_loss,
    coordinate_loss,
    hidden_keypoints,
    hide,
    view_loss,
)
from .word_losses import wanted_cubes, word_losses


@dataclass
class MoFMForMaskedMotionModelingOutput(ModelOutput):
    """
    Args:
        loss: scalar, the weighted sum of the objectives of the configuration.
        word_loss: scalar, cross-entropy of the masked cubes: the mean over a clip's masked cubes, then over clips, so
            that every clip weighs the same however a batch is split over processes.
        teacher_loss: scalar, the same for a teacher's words.
        action_loss: scalar, cross-entropy of the actions of labelled clips.
        coordinate_loss: scalar, smooth absolute error of the coordinates of hidden key-points, the map from -1 to 1.
        coordinate_error: scalar, their mean distance from the true ones, map pixels.
        view_loss: scalar, disagreement of two views of a motion.
        logits: `[N, L, T]` scores of the MotionBook's words for each cube of the grid; 0 where a cube was left out.
            None while training with labels, and if words are not an objective.
        bool_masked_pos: bool `[N, L]`, the masked cubes.
        hidden_states, attentions: of each layer, where asked for.
    """

    loss: Tensor | None = None
    word_loss: Tensor | None = None
    teacher_loss: Tensor | None = None
    action_loss: Tensor | None = None
    coordinate_loss: Tensor | None = None
    coordinate_error: Tensor | None = None
    view_loss: Tensor | None = None
    logits: Tensor | None = None
    bool_masked_pos: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MoFMForMaskedMotionModeling(MoFMPreTrainedModel):
    """MoFM with its heads for pre-training: the MotionBook ids of masked cubes (the paper's objective) and, if the
    configuration gives them a weight, a teacher's words, actions, coordinates of hidden key-points, and agreement of
    views.
    """

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        self.mofm = MoFMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.codebook_size) if config.word_loss_weight else None
        self.teacher_head = (
            nn.Linear(config.hidden_size, config.num_teacher_words) if config.teacher_loss_weight else None
        )
        self.predictor = MoFMPredictor(config) if self.asks_words and config.predictor_layers else None
        self.action_head = ActionHead(config) if config.action_loss_weight else None
        self.coordinate_decoder = CoordinateDecoder(config) if config.coordinate_loss_weight else None
        self.view_projector = ViewProjector(config) if config.view_loss_weight else None
        self.post_init()

    def freeze_unused(self) -> None:
        """See `MoFMPreTrainedModel.freeze_unused`."""
        if not self.asks_words or self.predictor is not None:  # the encoder meets no mask embedding
            self.mofm.embeddings.mask_token.requires_grad_(False)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, CoordinateDecoder):
            init.trunc_normal_(module.queries, std=self.config.initializer_range)

    @property
    def asks_words(self) -> bool:
        """Whether words of masked cubes are predicted, the MotionBook's or a teacher's."""
        return self.lm_head is not None or self.teacher_head is not None

    @can_return_tuple
    def forward(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
        mask_noise: Tensor | None = None,
        labels: Tensor | None = None,
        other_keypoints: Tensor | None = None,
        other_scores: Tensor | None = None,
        teacher_labels: Tensor | None = None,
        action_labels: Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoFMForMaskedMotionModelingOutput:
        """Compute the objectives of the configuration.

        Words are predicted for the clips; coordinates for the other view if there is one, else for the clips as well.

        Args:
            keypoints, scores, heatmaps: as in `MoFMModel.forward`.
            bool_masked_pos: bool `[N, L]`, the masked cubes. Without it they are chosen by the configuration if there
                is `mask_noise`, or if the model is training; else nothing is masked.
            mask_noise: `[N, *noise_shape]` random numbers in [0, 1) from which masked cubes and hidden key-points are
                chosen.
            labels: `[N, L]` MotionBook ids of all cubes, as the dVED gives them; those of masked cubes are used.
            other_keypoints, other_scores: another view of the same motions, such as from another camera.
            teacher_labels: `[N, L]` a teacher's words, in [0, num_teacher_words); others, such as -100, are ignored.
            action_labels: `[N]` numbers of `config.action_names`; negative ones are unknown.

        Raises:
            ValueError: as in `MoFMModel.forward`; or an objective lacks its labels or other view while training.
        """
        config = self.config
        clips = self.read_clips(keypoints, scores, heatmaps)
        other = clips if other_keypoints is None else self.read_clips(other_keypoints, other_scores)
        given = {"labels": labels, "teacher_labels": teacher_labels, "action_labels": action_labels}
        self._check_objectives(clips, other, given, hides=self.training or mask_noise is not None)
        if mask_noise is None and self.training:
            shape = noise_shape(config.masking, config.grid_size, config.num_keypoints)
            mask_noise = torch.rand(clips.number, *shape, device=clips.touched.device)
        if bool_masked_pos is None and mask_noise is not None:
            bool_masked_pos = self.mask(clips, mask_noise)

        masked = bool_masked_pos if self.asks_words else None
        first, shown = self._visible(clips, other, masked, mask_noise)
        outputs, seen = None, None
        compares = self.view_projector is not None and other is not clips
        if self.asks_words or self.action_head is not None or compares:
            still = masked if first is clips else None  # else they are left out already
            outputs = self.mofm(clips=first, bool_masked_pos=still, **kwargs)
        if shown is not clips:
            seen = outputs if shown is first else self.mofm(clips=shown)

        terms, logits, error = {}, None, None
        if self.asks_words:
            terms, logits = self._predict_words(outputs, clips, masked, labels, teacher_labels)
        reads_actions = self.action_head is not None and action_labels is not None
        looks = [(outputs, first)] if seen is None or seen is outputs else [(outputs, first), (seen, shown)]
        read = [self._embeddings(*look) for look in looks] if reads_actions or compares else []
        if reads_actions:
            terms["action_loss"] = action_loss([self.action_head(one.parts) for one in read], action_labels)
        if self.coordinate_decoder is not None and seen is not None:
            places = self.coordinate_decoder(seen.last_hidden_state, seen.attention_mask)
            terms["coordinate_loss"], error = coordinate_loss(places, other, shown, config.heatmap_size)
        if compares:
            terms["view_loss"] = view_loss(*(self.view_projector(one.joints) for one in read))
        weighted = [getattr(config, f"{name}_weight") * term for name, term in terms.items()]
        return MoFMForMaskedMotionModelingOutput(
            loss=sum(weighted[1:], weighted[0]) if weighted else None,
            **terms,
            coordinate_error=error,
            logits=logits,
            bool_masked_pos=bool_masked_pos,
            hidden_states=outputs.hidden_states if outputs is not None else None,
            attentions=outputs.attentions if outputs is not None else None,
        )

    def _check_objectives(
        self, clips: ClipInputs, other: ClipInputs, given: dict[str, Tensor | None], hides: bool
    ) -> None:
        """Refuse inputs from which an objective cannot learn.

        Args:
            given: labels of each objective, by the name of their argument.
            hides: whether key-points are hidden.
        """
        config = self.config
        check_per_cube("labels", given["labels"], config, clips.number)
        check_per_cube("teacher_labels", given["teacher_labels"], config, clips.number)
        actions = given["action_labels"]
        if actions is not None and tuple(actions.shape) != (clips.number,):
            raise ValueError(
                f"action_labels must be [{clips.number}] (people folded into the batch), got {list(actions.shape)}"
            )
        if other.number != clips.number:
            raise ValueError(
                f"other_keypoints has {other.number} clips, keypoints {clips.number}; they must be as many"
            )
        if self.coordinate_decoder is not None and hides and other.scores is None:
            raise ValueError("heatmaps cannot be asked for hidden coordinates; give keypoints and scores")
        others = (self.teacher_head, self.action_head, self.coordinate_decoder, self.view_projector)
        several = any(head is not None for head in others)
        learnt = {
            "labels": (self.lm_head if several else None, "word_loss_weight"),  # words alone: the logits are wanted
            "teacher_labels": (self.teacher_head, "teacher_loss_weight"),
            "action_labels": (self.action_head, "action_loss_weight"),
        }
        for name, (head, weight) in learnt.items():
            if self.training and head is not None and given[name] is None:
                raise ValueError(
                    f"{name} are missing; {weight} is {getattr(config, weight)}, which learns to predict them"
                )
        if self.training and self.view_projector is not None and other is clips:
            raise ValueError(
                f"other_keypoints are missing; view_loss_weight is {config.view_loss_weight}, which compares two views"
            )

    def _predict_words(
        self,
        outputs: MoFMModelOutput,
        clips: ClipInputs,
        masked: Tensor | None,
        labels: Tensor | None,
        teacher_labels: Tensor | None,
    ) -> tuple[dict[str, Tensor], Tensor | None]:
        """Return the losses of the words of masked cubes, and the logits `[N, L, T]` of all cubes.

        Training needs the losses only and computes no logits of other cubes: on the whole grid they are several times
        as large.
        """
        asked = {}
        if self.lm_head is not None and labels is not None:
            asked["word_loss"] = (self.lm_head, labels)
        if self.teacher_head is not None and teacher_labels is not None:
            asked["teacher_loss"] = (self.teacher_head, teacher_labels)
        wanted = {name: wanted_cubes(words, masked, head.out_features) for name, (head, words) in asked.items()}
        loss_alone = self.lm_head is None or (self.training and labels is not None)
        predicted = outputs
        if self.predictor is not None:
            answers = torch.stack(list(wanted.values())).any(0) if wanted and loss_alone else None
            predicted = self.predictor(outputs, clips.active, masked, answers)
        terms = {name: self.masked_loss(head, predicted, words, wanted[name]) for name, (head, words) in asked.items()}
        if loss_alone:
            return terms, None
        return terms, predicted.on_grid(self.lm_head(predicted.last_hidden_state), self.config.num_cubes)

    def _embeddings(self, outputs: MoFMModelOutput, clips: ClipInputs) -> MotionEmbeddings:
        """Return the embeddings of what the encoder looked at, people folded into the batch."""
        tokens = outputs.on_grid(outputs.last_hidden_state, self.config.num_cubes)
        return parts_of(tokens, replace(clips, people=None), self.config)

    def _visible(
        self, clips: ClipInputs, other: ClipInputs, masked: Tensor | None, noise: Tensor | None
    ) -> tuple[ClipInputs, ClipInputs]:
        """Return the visible part of clips, for words, and of their other view, for coordinates."""
        config = self.config
        if self.predictor is not None:  # one look at the visible cubes serves all objectives
            first = clips if masked is None else clips.without(masked, config)
            if other is clips:
                return first, first
            return first, other if noise is None else other.without(self.mask(other, noise), config)
        if self.coordinate_decoder is not None and noise is not None:
            other = hide(other, hidden_keypoints(noise, config.mask_span, config.hide_ratio), config)
        return clips, other

    def mask(self, clips: ClipInputs, noise: Tensor) -> Tensor:
        """Choose the masked cubes as the configuration says, bool `[N, L]`."""
        config = self.config
        return mask_cubes(clips.touched, noise, config.grid_size, config.masking, config.mask_ratio, config.mask_span)

    def masked_loss(self, head: nn.Linear, outputs: MoFMModelOutput, labels: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean cross-entropy of wanted cubes, bool `[N, L]`, over those of a clip and then over clips."""
        losses, asked = word_losses(head, outputs, labels, wanted)
        count = asked.attention_mask.sum(1)
        return (losses.sum(1) / count.clamp(min=1)).sum() / (count > 0).sum().clamp(min=1)
