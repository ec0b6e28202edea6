"""Configuration of the MoFM encoder."""

from huggingface_hub.dataclasses import strict

from tokenization_mofm.configuration_cubes import ThermalCubeConfig

from .masking import MASKINGS

CUBE_EMBEDDINGS = ("linear", "frames")
UNSUPERVISED_SCORES = ("nll", "distance", "combined")
ANOMALY_SCORES = (*UNSUPERVISED_SCORES, "classifier")

# What the encoder of every size sees: heat as sharp as the dVED's tells a linear embedding hardly more than the pixel.
BROAD = {"sigma": 3.0, "truncate": 3.0, "input_stride": 3}
# every size differs from the defaults in these fields only; widths and depths are those of ViT-Ti, -S, -B and -L, but
# for the depth of tiny: half of ViT-Ti's, since it is what people try on a laptop
PRESETS = {
    "tiny": {"hidden_size": 192, "num_hidden_layers": 6, "num_attention_heads": 3, "intermediate_size": 768},
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "intermediate_size": 1536},
    "base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096},
}


@strict
class MoFMConfig(ThermalCubeConfig):
    """Everything a MoFM model needs; the geometry is documented in `ThermalCubeConfig`.

    Args:
        cube_embedding: how cubes become tokens: "linear", one map of a whole cube (the paper's), or "frames", frame by
            frame with the velocity of its joints and a non-linearity (`FrameCubeEmbedding`), which takes no heat-maps.
        hidden_size, num_hidden_layers, num_attention_heads, intermediate_size, hidden_act: the ViT encoder.
        hidden_dropout_prob, attention_probs_dropout_prob: dropout in the encoder.
        qkv_bias: whether queries, keys and values have a bias.
        layer_norm_eps, initializer_range: as in every ViT.
        input_stride: the encoder looks at its maps in steps of so many rows and columns, an odd number that divides
            those of a cube; with a `sigma` as wide as that.
        drop_empty_cubes: leave cubes without heat out of the sequence. They carry no motion, and are about two
            thirds of a clip.
        codebook_size: words T of the MotionBook whose ids are predicted.
        words: fingerprint of the tokenizer whose words were learnt; "" is unknown.
        masking: "keypoint" (the paper's), "uniform" or "tube".
        mask_ratio: target fraction of active cubes to mask; whole key-points are masked, so the nearest reachable one.
        mask_span: time slices for which a key-point is masked in one go.
        predictor_layers: layers that say what masked cubes hold, from those that the encoder has seen: it then reads
            the visible cubes alone, which is faster (He et al. 2022). 0: masked cubes go through the encoder as their
            mask embedding (the paper's).
        word_loss_weight, teacher_loss_weight, action_loss_weight, coordinate_loss_weight, view_loss_weight: weight of
            each objective of pre-training: the words of masked cubes (the paper's), the words that a teacher gives
            them, the actions of labelled corpora, the coordinates of hidden key-points, and the agreement of two views
            of a motion; 0 leaves it out.
        num_teacher_words: number of the teacher's words, clusters of its features of cubes.
        action_names: names of the actions that pre-training predicts.
        hide_ratio: probability that a key-point is hidden for a span if coordinates are predicted; with a predictor
            those are hidden whose cubes are all masked, by `mask_ratio`.
        coordinate_decoder_layers: layers of the decoder of coordinates.
        view_size: width in which two views are compared.
        embed_centered: whether embeddings read a clip twice, as it is and with people in the middle of each frame
            (`normalise_clip`): what both say of a part stands side by side, 2 D numbers for two passes.
        shared_box: whether the people of a scene are fitted into the map by one box, for embeddings and the head of
            actions, so that where they stand to each other remains; else each by their own. Words and anomalies are of
            one person at a time, with their own box.
        classifier_dropout: dropout in the head of `MoFMForSequenceClassification`.
        classifier_part_size, classifier_slice_size: its hidden layers, the numbers to which a part is reduced and
            those in which the parts of a slice are mixed; a part size of 0 is a linear head.
        classifier_centered: whether it reads a clip twice, as `embed_centered`.
        classifier_motion_size: width of a second reader in it, of distances between key-points and how fast they move
            (`MotionReader`), whose probabilities are averaged with the head's; 0 is none. It takes no heat-maps.
        ignored_keypoints: key-points, by number, that it leaves out of clips: those that only some of the skeletons
            have on which its head was fitted, since by them it would tell corpora apart instead of actions.
        anomaly_score: what `MoFMForAnomalyDetection` calls anomalous: "nll" (negative log-likelihood of words, each
            predicted while it is masked), "distance" (from normal clips), "combined" (both) or "classifier" (the
            trained head).
        num_nll_masks: masks that together cover a clip, hence encoder passes of an nll. 4 hide about
            the fraction of cubes that pre-training hides.
        window_seconds: of the sliding windows that it was fitted on and scores.
        fps: frames a second to which motion is brought before windows are cut out of it.
        event_threshold: `anomaly_score` from which a frame is part of an event; set by `AnomalyScorer.calibrate`.
        reference_size: normal clips that distances are measured to; set by `fit_reference`.
        num_neighbors: nearest normal clips whose distance counts.
        pos_weight: weight of anomalous examples in the classifier's loss; normal ones weigh 1.
    """

    model_type = "mofm"

    # encoder
    cube_embedding: str = "linear"
    input_stride: int = 1
    hidden_size: int = 192
    num_hidden_layers: int = 6
    num_attention_heads: int = 3
    intermediate_size: int = 768
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.0
    attention_probs_dropout_prob: float | int = 0.0
    qkv_bias: bool = True
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02
    drop_empty_cubes: bool = True

    # pre-training
    codebook_size: int = 512
    words: str = ""
    masking: str = "keypoint"
    mask_ratio: float = 0.4
    mask_span: int = 2
    predictor_layers: int = 0
    word_loss_weight: float | int = 1.0
    teacher_loss_weight: float | int = 0.0
    num_teacher_words: int = 512
    action_loss_weight: float | int = 0.0
    action_names: list[str] | tuple[str, ...] = ()
    coordinate_loss_weight: float | int = 0.0
    view_loss_weight: float | int = 0.0
    hide_ratio: float = 0.6
    coordinate_decoder_layers: int = 2
    view_size: int = 512

    # classification
    classifier_dropout: float | int = 0.0
    classifier_part_size: int = 0
    classifier_slice_size: int = 256
    classifier_centered: bool = False
    classifier_motion_size: int = 0
    ignored_keypoints: list[int] | tuple[int, ...] = ()
    embed_centered: bool = False
    shared_box: bool = False

    # anomaly detection
    anomaly_score: str = "distance"
    num_nll_masks: int = 4
    window_seconds: float | int = 0.8
    fps: float | int = 30.0
    event_threshold: float | int | None = None
    reference_size: int = 0
    num_neighbors: int = 3
    pos_weight: float | int = 1.0

    def keep_objectives_of_clips(self) -> None:
        """Drop the objectives that need more than clips and their words: a teacher, actions, a second view."""
        self.teacher_loss_weight = self.action_loss_weight = self.view_loss_weight = 0.0
        self.action_names = []

    @property
    def embedding_size(self) -> int:
        """Numbers of a part in `get_embeddings`."""
        return self.hidden_size * (2 if self.embed_centered else 1)

    def validate_architecture(self) -> None:
        super().validate_architecture()
        self._validate_sizes()
        self._validate_input()
        self._validate_masking()
        self._validate_objectives()
        self._validate_anomaly()

    def _validate_sizes(self) -> None:
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        may_be_0 = ("predictor_layers", "classifier_part_size", "classifier_motion_size")
        for name, low in {**dict.fromkeys(may_be_0, 0), "classifier_slice_size": 1}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if self.classifier_motion_size % 2:
            raise ValueError(f"classifier_motion_size must be even, got {self.classifier_motion_size}")
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size must be a multiple of twice num_attention_heads = {self.num_attention_heads} (positions "
                f"turn pairs of channels), got {self.hidden_size}"
            )
        for name in ("codebook_size", "num_teacher_words"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} must be at least 2, got {getattr(self, name)}")

    def _validate_input(self) -> None:
        if self.input_stride < 1 or any(side % self.input_stride for side in self.cube_size[1:]):
            raise ValueError(
                f"input_stride must divide the rows and columns of cube_size {tuple(self.cube_size)}, got "
                f"{self.input_stride}"
            )
        if self.input_stride % 2 == 0:
            raise ValueError(f"input_stride must be odd, so that a step has a middle, got {self.input_stride}")
        if self.cube_embedding not in CUBE_EMBEDDINGS:
            raise ValueError(f"cube_embedding must be one of {CUBE_EMBEDDINGS}, got {self.cube_embedding!r}")
        if self.center_frames and self.shared_box:
            raise ValueError("center_frames and shared_box are true; people in the middle of each frame share no box")
        wrong = [number for number in self.ignored_keypoints if not 0 <= number < self.num_keypoints]
        if wrong or len(set(self.ignored_keypoints)) >= self.num_keypoints:
            raise ValueError(
                f"ignored_keypoints must be some of 0 to {self.num_keypoints - 1}, got {list(self.ignored_keypoints)}"
            )

    def _validate_masking(self) -> None:
        if self.masking not in MASKINGS:
            raise ValueError(f"masking must be one of {MASKINGS}, got {self.masking!r}")
        if not 0 < self.mask_ratio < 1:
            raise ValueError(f"mask_ratio must be in (0, 1), got {self.mask_ratio}")
        if not 1 <= self.mask_span <= self.grid_size[0]:
            raise ValueError(f"mask_span must be in [1, {self.grid_size[0]}] time slices, got {self.mask_span}")

    def _validate_anomaly(self) -> None:
        if self.anomaly_score not in ANOMALY_SCORES:
            raise ValueError(f"anomaly_score must be one of {ANOMALY_SCORES}, got {self.anomaly_score!r}")
        for name, low in (("num_nll_masks", 2), ("reference_size", 0), ("num_neighbors", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if not 0 < self.fps < float("inf"):
            raise ValueError(f"fps must be positive and finite, got {self.fps}")
        if not 2 / self.fps <= self.window_seconds < float("inf"):
            raise ValueError(
                f"window_seconds must be at least {2 / self.fps:.3g}, two frames, got {self.window_seconds}"
            )
        if not 0 < self.pos_weight < float("inf"):
            raise ValueError(f"pos_weight must be positive and finite, got {self.pos_weight}")

    def _validate_objectives(self) -> None:
        if self.predictor_layers and not self.drop_empty_cubes:
            raise ValueError(
                f"predictor_layers is {self.predictor_layers}, which needs drop_empty_cubes true: masked cubes are "
                "left out as empty ones are; got false"
            )
        objectives = ("word", "teacher", "action", "coordinate", "view")
        names = [f"{objective}_loss_weight" for objective in objectives]
        for name in names:
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be 0 or more, and finite, got {getattr(self, name)}")
        if not any(getattr(self, name) for name in names):
            raise ValueError(f"one of {', '.join(names)} must be above 0: else there is nothing to learn")
        if self.action_loss_weight and len(self.action_names) < 2:
            raise ValueError(
                f"action_loss_weight is {self.action_loss_weight}, which needs two action_names or more; got "
                f"{list(self.action_names)}"
            )
        if self.coordinate_loss_weight and self.masking != "keypoint":
            raise ValueError(
                f"coordinate_loss_weight is {self.coordinate_loss_weight}, which needs masking 'keypoint': "
                f"coordinates are predicted for hidden key-points; got masking {self.masking!r}"
            )
        if not 0 < self.hide_ratio < 1:
            raise ValueError(f"hide_ratio must be in (0, 1), got {self.hide_ratio}")
        for name in ("coordinate_decoder_layers", "view_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @classmethod
    def from_preset(cls, name: str, **overrides: int | float | str | bool) -> "MoFMConfig":
        """Return the configuration of a named size, with any field overridden."""
        if name not in PRESETS:
            raise ValueError(f"preset must be one of {tuple(PRESETS)}, got {name!r}")
        return cls(**{**BROAD, **PRESETS[name], **overrides})
