"""MoFM for anomaly detection: how unlikely a clip's words are, and how far it is from normal clips (DT3, DT4).

Unsupervised, each word is predicted while it is masked, by a fixed set of key-point masks that together cover every
active cube, and the clip is compared with normal clips. Supervised, a linear head is trained on the same backbone.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import initialization as init
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.generic import can_return_tuple

from tokenization_mofm.clip_inputs import ClipInputs

from ..configuration_mofm import MoFMConfig
from ..masking import covering_masks
from ..modeling_mofm import MoFMModel, MoFMPredictor, MoFMPreTrainedModel
from ..part_pooling import pool_parts
from ..pretraining.word_losses import wanted_cubes, word_losses
from .reference import NormalReference, part_distances

CLIP_FIELDS = ("keypoints", "scores", "input_ids")


@dataclass
class MoFMForAnomalyDetectionOutput(ModelOutput):
    """
    Leading axes are `[N]`, or `[B, M]` if the clips have a people axis. Likelihoods need `input_ids`, distances a
    fitted reference; without them their fields are None.

    Args:
        loss: scalar, binary cross-entropy of the head, if labels are given.
        logits: `[N]`, the head's logit of each clip.
        frame_logits: `[N, F]`, the head's logits; all frames of a time slice have the same.
        anomaly_score: `[N]`, higher is more anomalous; `config.anomaly_score` chooses which: standard deviations above
            normal motion for "nll" and "distance"; `softplus(z_nll) + softplus(z_distance)` for "combined"; the head's
            probability for "classifier". NaN for a clip without any joint.
        nll: `[N]`, mean negative log-likelihood (nats) of the clip's words, each predicted while masked; NaN
            for a clip without any joint.
        cube_nll: `[N, L]` of each cube's word; 0 where a cube is empty.
        frame_nll: `[N, F]`, mean over the cubes that hold heat in that frame; 0 where none does.
        joint_nll: `[N, F, K]`, mean over the cubes that the joint's heat touches in that frame; 0 where it is
            missing.
        distance: `[N]`, mean cosine distance to the nearest normal clips, in [0, 2].
        joint_distance: `[N, K]`, the same per joint; 0 where the joint is missing.
        joint_score: `[N, F, K]`, `anomaly_score` per joint and frame, in the same units; 0 where the joint is missing.
        parts: `[N, T, K, D]`, the embedding of each joint in each time slice: input of the distance and the head.
        hidden_states, attentions: of each layer, where asked for.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    frame_logits: Tensor | None = None
    anomaly_score: Tensor | None = None
    nll: Tensor | None = None
    cube_nll: Tensor | None = None
    frame_nll: Tensor | None = None
    joint_nll: Tensor | None = None
    distance: Tensor | None = None
    joint_distance: Tensor | None = None
    joint_score: Tensor | None = None
    parts: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None


class MoFMForAnomalyDetection(MoFMPreTrainedModel):
    """MoFM with the pre-training head, a reference of normal motion, and a binary head.

    Loads from any pre-trained MoFM. `fit_reference` makes it an unsupervised detector, training the head a
    supervised one. The words come from the `MoFMTokenizer` saved in the same folder:
    `model(**tokenizer(keypoints, scores))`. The reference and distances stay in single precision.
    """

    _keep_in_fp32_modules_strict = ["reference"]
    _keys_to_ignore_on_load_missing = [r"^anomaly_head\."]  # few checkpoints have one, and few detectors need it

    head_is_new = False  # whether the head has random weights

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        self.mofm = MoFMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.codebook_size)
        self.predictor = MoFMPredictor(config) if config.predictor_layers else None
        self.reference = self._reference(config.reference_size)
        self.anomaly_head = nn.Linear(config.num_keypoints * config.hidden_size, 1)
        self.post_init()

    def freeze_unused(self) -> None:
        """See `MoFMPreTrainedModel.freeze_unused`: only the head and the encoder learn; words are not predicted."""
        self.lm_head.requires_grad_(False)
        if self.predictor is not None:
            self.predictor.requires_grad_(False)
        self.mofm.embeddings.mask_token.requires_grad_(False)

    def _reference(self, size: int) -> NormalReference:
        config = self.config
        return NormalReference(
            size,
            config.grid_size[0],
            config.num_frames,
            config.num_keypoints,
            config.hidden_size,
            config.num_neighbors,
        )

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """See `PreTrainedModel.from_pretrained`; a missing head gives no warning."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        if model.head_is_new:
            model.new_parts |= {"anomaly_head"}
        return loaded

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.anomaly_head:
            self.head_is_new = True
        if isinstance(module, NormalReference):
            for name, buffer in module.named_buffers():
                init.constant_(buffer, float(name.endswith("_std")))

    @can_return_tuple
    def forward(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        gate: float | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoFMForAnomalyDetectionOutput:
        """Score clips.

        Args:
            keypoints, scores, heatmaps: as in `MoFMModel.forward`.
            input_ids: `[N, L]` or `[B, M, L]` MotionBook ids, as the tokenizer gives them.
            labels: for the head, `[B]` of clips or `[B, F]` of frames: 1 is anomalous, 0 normal, negative unknown.
                With a people axis the clip's logit is the maximum over people.
            gate: skip the likelihood of clips whose distance is fewer standard deviations above normal than this:
                they get the mean of normal motion, for one forward pass instead of `num_nll_masks` + 1.

        Raises:
            ValueError: as in `MoFMModel.forward`, or a gate without a reference.
        """
        config = self.config
        clips = self.read_clips(keypoints, scores, heatmaps)
        clips.embeds = self.mofm.get_input_embeddings()(clips)
        in_frames = clips.touched_in_frames(config)
        present = clips.active.any(1)
        outputs = self.mofm(clips=clips, **kwargs)
        tokens = outputs.on_grid(outputs.last_hidden_state, config.num_cubes)
        # in half precision the eps of `normalize` is 0: missing parts would be NaN
        parts = F.normalize(pool_parts(tokens, clips.touched, config.grid_size[0]).float(), dim=-1)
        logits, frame_logits, joint_logits = self.classify(parts)
        fields = {"logits": logits, "frame_logits": frame_logits, "parts": parts}
        if config.reference_size:
            fields["distance"], fields["joint_distance"] = self.reference(parts)
        if input_ids is not None:
            input_ids = self._check_words(input_ids, clips.number)
            if gate is None:
                fields |= self.word_nll(clips, input_ids, in_frames)
            elif "distance" in fields:
                suspicious = self.reference.standardise("distance", fields["distance"]) >= gate
                fields |= self.some_nll(clips, input_ids, in_frames, suspicious)
            else:
                raise ValueError(f"gate is {gate}, but there is no reference of normal motion: no distance to go by")
        score = self.anomaly_score(logits, fields.get("nll"), fields.get("distance"))
        if score is not None:
            fields["anomaly_score"] = torch.where(present, score, torch.nan)
            joint_distance = fields["joint_distance"][:, None] if "joint_distance" in fields else None
            joints = self.anomaly_score(joint_logits, fields.get("joint_nll"), joint_distance)
            fields["joint_score"] = torch.where(in_frames.any(2), joints, 0.0)
        loss = None
        if labels is not None:
            loss = self.loss(logits, frame_logits, labels, present, clips.people)
        if clips.people is not None:
            fields = {name: value.unflatten(0, clips.people) for name, value in fields.items() if value is not None}
        return MoFMForAnomalyDetectionOutput(
            loss=loss, hidden_states=outputs.hidden_states, attentions=outputs.attentions, **fields
        )

    def classify(self, parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the head's logits of clips `[N]`, frames `[N, F]` and joints `[N, F, K]` from parts `[N, T, K, D]`.

        The logit of a time slice is linear in its parts; that of a clip is the mean over the slices in which anyone is
        present, and slices without anyone get it too. The mean of the logits of the joints of a slice is its logit.
        """
        depth = self.config.cube_size[0]
        present = parts.any(-1).to(parts.dtype)  # N T K
        slice_present = present.amax(-1)
        # parts have unit length; the head gets numbers around 1, as from a layer norm
        contributions = parts * parts.shape[-1] ** 0.5 * self.anomaly_head.weight.float().view(parts.shape[2:])
        contributions = contributions.sum(-1)
        slices = contributions.sum(-1) + self.anomaly_head.bias.float()
        clip = (slices * slice_present).sum(1) / slice_present.sum(1).clamp(min=1)
        slices = torch.where(slice_present > 0, slices, clip[:, None])
        joints = contributions * present.sum(-1, keepdim=True) + self.anomaly_head.bias.float()
        return clip, slices.repeat_interleave(depth, 1), joints.repeat_interleave(depth, 1)

    def word_nll(self, clips: ClipInputs, input_ids: Tensor, in_frames: Tensor) -> dict[str, Tensor]:
        """Return the negative log-likelihoods of the words `[N, L]` of clips, per clip, cube, frame, joint.

        Args:
            clips: with their cubes embedded, once for all masks.
            in_frames: which key-points heat which cells in each frame, `[N, F, cells, K]`.
        """
        config = self.config
        N, L, _ = clips.touched.shape
        masks = covering_masks(clips.touched, config.grid_size, config.num_nll_masks, config.mask_span)  # N R L
        R = masks.shape[1]
        masked, words = masks.flatten(0, 1), input_ids.repeat_interleave(R, 0)  # N*R L
        wanted = wanted_cubes(words, masked, config.codebook_size)
        outputs = self.mofm(clips=clips.repeat_embedded(clips.embeds, R), bool_masked_pos=masked)
        if self.predictor is not None:
            outputs = self.predictor(outputs, clips.active.repeat_interleave(R, 0), masked, wanted)
        losses, asked = word_losses(self.lm_head, outputs, words, wanted)
        both = torch.stack((losses, asked.attention_mask.to(losses.dtype)), -1)
        total, count = asked.on_grid(both, L).unflatten(0, (N, R)).sum(1).unbind(-1)  # N L
        cubes = total / count.clamp(min=1)
        frames, joints = self.per_frame(cubes, count > 0, in_frames)
        return {
            "nll": cubes.sum(1) / (count > 0).sum(1),
            "cube_nll": cubes,
            "frame_nll": frames,
            "joint_nll": joints,
        }

    def some_nll(self, clips: ClipInputs, input_ids: Tensor, in_frames: Tensor, chosen: Tensor) -> dict[str, Tensor]:
        """Return `word_nll` of chosen clips, bool `[N]`, and the mean of normal motion for the others."""
        N, L, K = clips.touched.shape
        usual = self.reference.nll_mean.float()
        whole = {
            "nll": usual.expand(N).clone(),
            "cube_nll": usual.new_zeros(N, L),
            "frame_nll": usual.expand(N, self.config.num_frames).clone(),
            "joint_nll": usual.expand(N, self.config.num_frames, K).clone(),
        }
        ids = chosen.nonzero()[:, 0]
        if len(ids):
            found = self.word_nll(clips.select(ids), input_ids[ids], in_frames[ids])
            whole = {name: values.index_copy(0, ids, found[name].to(values.dtype)) for name, values in whole.items()}
        return whole

    def per_frame(self, cubes: Tensor, valid: Tensor, in_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Average the values of cubes over those with heat in each frame, and over those that each joint heats there.

        Args:
            cubes: values, `[N, L]`.
            valid: bool `[N, L]`; other cubes are left out.
            in_frames: bool `[N, F, cells, K]`, which key-points heat which cells in each frame.

        Returns:
            means `[N, F]` and `[N, F, K]`; 0 where there is no such cube.
        """
        slices, rows, columns = self.config.grid_size
        both = torch.stack((cubes * valid, valid.to(cubes.dtype)), -1).unflatten(1, (slices, rows * columns))
        both = both.repeat_interleave(self.config.cube_size[0], 1)  # N F cells 2
        touches = torch.cat((in_frames.any(-1, keepdim=True), in_frames), -1).to(cubes.dtype)
        total, count = torch.einsum("nfcv,nfck->vnfk", both, touches)
        mean = total / count.clamp(min=1)
        return mean[..., 0], mean[..., 1:]

    def anomaly_score(self, logits: Tensor, nll: Tensor | None, distance: Tensor | None) -> Tensor | None:
        """Return the score that `config.anomaly_score` names, of clips or joints; None if an input is missing."""
        kind = self.config.anomaly_score
        if kind == "classifier":
            return logits.sigmoid()
        needed = {name: value for name, value in (("nll", nll), ("distance", distance)) if kind in (name, "combined")}
        if any(value is None for value in needed.values()):
            return None
        excess = [self.reference.standardise(name, value) for name, value in needed.items()]
        if kind != "combined":
            return excess[0]
        # softplus: being very normal in one respect does not excuse the other
        return F.softplus(excess[0]) + F.softplus(excess[1])

    def loss(
        self, logits: Tensor, frame_logits: Tensor, labels: Tensor, present: Tensor, people: tuple[int, int] | None
    ) -> Tensor:
        if people is not None:
            # absent people must not be the maximum
            logits = torch.where(present, logits, torch.finfo(logits.dtype).min).unflatten(0, people).amax(1)
            lowest = torch.finfo(frame_logits.dtype).min
            frame_logits = torch.where(present[:, None], frame_logits, lowest).unflatten(0, people).amax(1)
            present = present.unflatten(0, people).any(1)
        shapes = ([len(logits)], [len(logits), self.config.num_frames])
        if list(labels.shape) not in shapes:
            raise ValueError(f"labels must be {shapes[0]} of clips or {shapes[1]} of frames, got {list(labels.shape)}")
        if labels.ndim == 2:
            logits, present = frame_logits, present[:, None]
        wanted = (labels >= 0) & present
        weight = torch.tensor(self.config.pos_weight, device=logits.device)
        losses = F.binary_cross_entropy_with_logits(
            torch.where(wanted, logits.float(), 0.0), labels.clamp(0, 1).float(), pos_weight=weight, reduction="none"
        )
        return (losses * wanted).sum() / wanted.sum().clamp(min=1)

    def _check_words(self, input_ids: Tensor, num_clips: int) -> Tensor:
        L = self.config.num_cubes
        if input_ids.shape[-1:] != (L,) or input_ids.numel() != num_clips * L:
            raise ValueError(
                f"input_ids must be [{num_clips}, {L}], one word for each cube of each person, "
                f"got {list(input_ids.shape)}"
            )
        return input_ids.reshape(num_clips, L)

    @torch.no_grad()
    def fit_reference(
        self,
        normal: dict[str, Tensor],
        held_out: dict[str, Tensor] | None = None,
        max_size: int = 1024,
        batch_size: int = 32,
        seed: int = 0,
    ) -> None:
        """Store normal clips as the reference, and the mean and spread of both scores; the backbone is not trained.

        Args:
            normal: normal clips, `keypoints` [N, F, K, 2], `scores` [N, F, K] and `input_ids` [N, L].
            held_out: other normal clips, on which the mean and spread of both scores are computed. Without them each
                normal clip is compared with all others, which is as good if clips do not overlap and the backbone was
                not trained on them.
            max_size: at most this many clips of either kind are used, chosen with `seed`.
            batch_size: clips in one forward pass.
            seed: seed of the choice.

        Raises:
            ValueError: fewer clips with a joint than `num_neighbors` needs, or held-out clips whose scores are all
                equal.
        """
        chosen = []
        for clips in (normal, held_out):
            if clips is not None:
                order = torch.randperm(len(clips["keypoints"]), generator=torch.Generator().manual_seed(seed))
                ids = order[:max_size].sort().values
                chosen.append({name: clips[name][ids] for name in CLIP_FIELDS})
        self.fit_measured(chosen[0], *(self.measure(clips, batch_size) for clips in chosen))

    @torch.no_grad()
    def fit_measured(
        self,
        normal: dict[str, Tensor],
        measured: tuple[Tensor, Tensor],
        held_out: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Fit the reference from results of `measure`; see `fit_reference`.

        Args:
            normal: normal clips, `keypoints` [N, F, K, 2] and `scores` [N, F, K].
            measured: their parts and nll.
            held_out: parts and nll of other normal clips.

        Raises:
            ValueError: as in `fit_reference`.
        """
        parts, nll = measured
        present = nll.isfinite()
        parts, nll = parts[present], nll[present]
        needed = self.config.num_neighbors + 1
        if len(parts) < needed:
            raise ValueError(
                f"normal has {len(parts)} clips with a joint; at least {needed} are needed for num_neighbors = "
                f"{self.config.num_neighbors}"
            )
        reference = self._reference(len(parts)).to(parts)
        reference.parts.copy_(parts)
        for name in ("keypoints", "scores"):
            getattr(reference, name).copy_(normal[name].cpu()[present])
        if held_out is None:
            distances = part_distances(parts, parts).fill_diagonal_(torch.inf)
            distances = distances.topk(self.config.num_neighbors, -1, largest=False).values.mean(-1)
        else:
            parts, nll = held_out
            present = nll.isfinite()
            distances, nll = reference(parts[present])[0], nll[present]
        for name, values in (("nll", nll), ("distance", distances)):
            values = values.double()
            if not len(values) > 1 or not values.std() > 0:
                raise ValueError(
                    f"the {name} of {len(values)} normal clips does not vary; at least 2 that differ are needed"
                )
            getattr(reference, f"{name}_mean").fill_(values.mean())
            getattr(reference, f"{name}_std").fill_(values.std())
        self.config.reference_size = len(reference.parts)
        self.reference = reference.to(self.device)
        self.new_parts -= {"reference"}

    @torch.no_grad()
    def measure(self, clips: dict[str, Tensor], batch_size: int = 32) -> tuple[Tensor, Tensor]:
        """Return `parts` [N, T, K, D] and `nll` [N] of clips, on the CPU: the inputs of references and scores.

        Args:
            clips: `keypoints` [N, F, K, 2], `scores` [N, F, K] and `input_ids` [N, L].
            batch_size: clips at a time.
        """
        self.eval()
        measured = []
        for start in range(0, len(clips["keypoints"]), batch_size):
            outputs = self(**{name: clips[name][start : start + batch_size].to(self.device) for name in CLIP_FIELDS})
            measured.append((outputs.parts.float().cpu(), outputs.nll.float().cpu()))
        return torch.cat([parts for parts, _ in measured]), torch.cat([nll for _, nll in measured])

    @torch.no_grad()
    def score_measured(self, parts: Tensor, nll: Tensor) -> Tensor:
        """Return the anomaly scores `[N]` from results of `measure`; not for the classifier."""
        if self.config.anomaly_score == "classifier":
            raise ValueError("anomaly_score is 'classifier', whose scores come from forward; it must be another one")
        distance = self.reference(parts.to(self.device))[0] if self.config.reference_size else None
        return self.anomaly_score(None, nll.to(self.device), distance).cpu()
