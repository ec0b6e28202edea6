"""MoFM: a ViT encoder over thermal cubes (section 3.3), and the base class of all models.

Key-points are embedded on the model's own device without rendering them; given heat-maps go the dense way. Cubes
without heat are left out of the sequence.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.output_capturing import capture_outputs

from tokenization_mofm.clip_inputs import ClipInputs
from tokenization_mofm.cube_embedding import CubeEmbedding, CubeProjection
from tokenization_mofm.feature_extraction_mofm import MoFMFeatureExtractor
from tokenization_mofm.frame_embedding import BIAS, FrameCubeEmbedding
from tokenization_mofm.repository import WholeRepository
from tokenization_mofm.safe_weights import SafeWeights
from tokenization_mofm.tokenization_mofm import MoFMTokenizer

from .configuration_mofm import MoFMConfig
from .embeddings import MotionEmbeddings, centred_in_map, embed_clips
from .packing import PackedClips, can_pack, packed_attention_forward

WORD_HEADS = ("lm_head", "predictor")  # predict the words of masked cubes; the predictor is optional
# heads of all classes: one folder may hold them all beside the encoder, and each class loads its own
HEADS = (
    *(*WORD_HEADS, "teacher_head", "action_head", "coordinate_decoder", "view_projector"),
    *("norm", "part_projection", "slice_mixer", "classifier", "motion_reader"),
    *("reference", "anomaly_head"),
)
LANGUAGE_INPUTS = ("input_ids", "attention_mask", "inputs_embeds", "position_ids")
HUB_OPTIONS = ("revision", "token", "cache_dir", "subfolder", "local_files_only", "force_download")


@dataclass
class MoFMModelOutput(ModelOutput):
    """
    Args:
        last_hidden_state: `[N, P, D]`, one token for each cube in the sequence. P is the largest number of cubes that
            a clip of the batch keeps; shorter clips are padded with 0 at the end.
        pooler_output: `[N, D]` (`[B, M, D]` if the input has a people axis), mean over the clip's tokens.
        cube_ids: `[N, P]` which cube each token is, in [0, L); padding holds cubes that were left out.
        attention_mask: int64 `[N, P]`, 1 is a cube, 0 padding.
        hidden_states, attentions: of each layer, where asked for.
    """

    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    cube_ids: Tensor | None = None
    attention_mask: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None
    attentions: tuple[Tensor, ...] | None = None

    def on_grid(self, values: Tensor, num_cubes: int) -> Tensor:
        """Put the values of tokens, `[N, P, C]`, at their cubes, `[N, L, C]`; 0 where a cube was left out."""
        values = values * self.attention_mask[..., None]
        index = self.cube_ids[..., None].expand_as(values)
        return values.new_zeros(values.shape[0], num_cubes, values.shape[-1]).scatter(1, index, values)


def sincos_positions(grid_size: tuple[int, int, int], width: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return fixed sine-cosine positions of a grid of cubes, `[L, width]`; a sixth of the width each for t, y, x.

    Computed where they are used: any grid has positions, and nothing of them is stored in a checkpoint.
    """
    steps = torch.arange(width // 6, device=device, dtype=torch.float32) / max(width // 6 - 1, 1)
    # half a turn to a 32nd of a turn per cube: the slower waves of text would be the same all over so small a grid
    frequencies = torch.pi * 16.0**-steps
    axes = [torch.arange(side, device=device, dtype=torch.float32) for side in grid_size]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, 2)  # L 3
    angles = (places[:, :, None] * frequencies).flatten(1)
    table = torch.cat((angles.sin(), angles.cos()), -1)
    return F.pad(table, (0, width - table.shape[1])).to(dtype)


def rotary_positions(cube_ids: Tensor, grid_size: tuple[int, int, int], head_dim: int) -> tuple[Tensor, Tensor]:
    """Return cosine and sine `[N, 1, P, head_dim / 2]` by which queries and keys of cubes `[N, P]` are turned.

    A third of the pairs of channels each turns with t, y and x (RoPE, Su et al. 2021, along three axes; pairs left
    over do not turn), so that a head can attend to "the same place, one slice earlier" from any cube.
    """
    _, rows, columns = grid_size
    places = torch.stack((cube_ids // (rows * columns), cube_ids // columns % rows, cube_ids % columns), -1)
    pairs = head_dim // 6
    steps = torch.arange(pairs, device=cube_ids.device, dtype=torch.float32) / max(pairs - 1, 1)
    angles = (places[..., None] * (torch.pi / 2 * 16.0**-steps)).flatten(2)  # a quarter to a 64th of a turn per cube
    angles = F.pad(angles, (0, head_dim // 2 - angles.shape[-1]))[:, None]
    return angles.cos(), angles.sin()


def apply_rotary_pos_emb(heads: Tensor, positions: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate the channel pairs (c, c + head_dim / 2) of `[N, heads, P, head_dim]` by their positions."""
    cos, sin = (angle.to(heads.dtype) for angle in positions)
    first, second = heads.split(cos.shape[-1], dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def eager_attention_forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Unpack[TransformersKwargs],
) -> tuple[Tensor, Tensor]:
    """Attend with plain matrix products: the backend that can return its weights."""
    weights = query @ key.transpose(2, 3) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = F.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class MoFMEmbeddings(nn.Module):
    """Thermal cubes to tokens: cube embedding, mask embedding [M], positions."""

    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.config = config
        embedding = FrameCubeEmbedding if config.cube_embedding == "frames" else CubeEmbedding
        self.cube_embeddings = embedding(
            config.num_keypoints,
            config.hidden_size,
            config.heatmap_size,
            config.cube_size,
            config.sigma,
            config.truncate,
            config.input_stride,
        )
        self.mask_token = nn.Parameter(torch.zeros(config.hidden_size))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, clips: ClipInputs, bool_masked_pos: Tensor | None) -> Tensor:
        """Embed clips to `[N, L, D]`."""
        if bool_masked_pos is None:
            tokens = self.cube_embeddings(clips)
        else:
            tokens = self.cube_embeddings(clips.without(bool_masked_pos, self.config))
            tokens = torch.where(bool_masked_pos[..., None], self.mask_token, tokens)
        grid = self.config.grid_size
        return self.dropout(tokens + sincos_positions(grid, tokens.shape[-1], tokens.device, tokens.dtype))


class MoFMAttention(nn.Module):
    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.attention_dropout = config.attention_probs_dropout_prob
        self.is_causal = False
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=config.qkv_bias)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=config.qkv_bias)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=config.qkv_bias)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden_states: Tensor,
        positions: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        context: tuple[Tensor, tuple[Tensor, Tensor]] | None = None,
        packed: tuple[PackedClips, PackedClips] | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple[Tensor, Tensor | None]:
        """Self-attention, or cross-attention to the tokens of `context`, which comes with its own positions.

        Args:
            packed: if clips are packed (N = 1), the positions of the queries and of the keys and values.
        """
        N, P, D = hidden_states.shape
        attended_to, their_positions = (hidden_states, positions) if context is None else context
        heads = (N, -1, self.config.num_attention_heads, self.head_dim)
        query = apply_rotary_pos_emb(self.q_proj(hidden_states).view(heads).transpose(1, 2), positions)
        key = apply_rotary_pos_emb(self.k_proj(attended_to).view(heads).transpose(1, 2), their_positions)
        value = self.v_proj(attended_to).view(heads).transpose(1, 2)
        dropout = self.attention_dropout if self.training else 0.0
        if packed is not None:
            attended = packed_attention_forward(query, key, value, packed, dropout, self.scaling)
            return self.o_proj(attended.reshape(N, P, D)), None
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attended, weights = attend(
            self, query, key, value, attention_mask, dropout=dropout, scaling=self.scaling, **kwargs
        )
        return self.o_proj(attended.reshape(N, P, D)), weights


class MoFMMLP(nn.Module):
    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation_fn = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden_states: Tensor) -> Tensor:
        return self.fc2(self.activation_fn(self.fc1(hidden_states)))


class MoFMLayer(GradientCheckpointingLayer):
    """A pre-norm transformer block."""

    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = MoFMAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = MoFMMLP(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(
        self,
        hidden_states: Tensor,
        positions: tuple[Tensor, Tensor],
        attention_mask: Tensor | None = None,
        context: tuple[Tensor, tuple[Tensor, Tensor]] | None = None,
        packed: tuple[PackedClips, PackedClips] | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> Tensor:
        if context is not None:
            context = (self.layernorm_before(context[0]), context[1])
        normed = self.layernorm_before(hidden_states)
        attended, _ = self.attention(normed, positions, attention_mask, context, packed, **kwargs)
        hidden_states = hidden_states + self.dropout(attended)
        return hidden_states + self.dropout(self.mlp(self.layernorm_after(hidden_states)))


class MoFMPredictor(nn.Module):
    """Layers that predict masked cubes from the encoder's tokens of the visible cubes.

    The encoder never sees a mask embedding, neither in training nor in use, and is the faster the more is masked (MAE,
    He et al. 2022, section 3).
    """

    def __init__(self, config: MoFMConfig):
        super().__init__()
        self.config = config
        self.mask_token = nn.Parameter(torch.zeros(config.hidden_size))
        self.layers = nn.ModuleList([MoFMLayer(config) for _ in range(config.predictor_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(
        self, seen: MoFMModelOutput, active: Tensor, bool_masked_pos: Tensor | None, asked: Tensor | None = None
    ) -> MoFMModelOutput:
        """Return tokens of the masked cubes beside the seen ones.

        Args:
            seen: outputs of the encoder for the visible cubes.
            active: bool `[N, L]`, cubes that hold heat.
            bool_masked_pos: bool `[N, L]`, masked cubes; None if all are visible.
            asked: bool `[N, L]`, cubes whose outputs are needed: the last layer attends to all cubes, but computes
                outputs for these only. None computes all.
        """
        tokens = seen.on_grid(seen.last_hidden_state, self.config.num_cubes)
        if bool_masked_pos is not None:
            tokens = torch.where(bool_masked_pos[..., None], self.mask_token, tokens)
            active = active | bool_masked_pos
        grid = self.config.grid_size
        tokens = tokens + sincos_positions(grid, tokens.shape[-1], tokens.device, tokens.dtype)
        tokens, cube_ids, kept = keep_cubes(tokens, active)
        # flash attention takes one padding for queries and keys
        if asked is None or "flash" in self.config._attn_implementation:
            tokens = run_layers(self.layers, tokens, cube_ids, kept, self.config)
        else:
            tokens = run_layers(self.layers[:-1], tokens, cube_ids, kept, self.config)
            tokens, cube_ids, kept = self._answer(tokens, cube_ids, kept, asked)
        tokens = self.layernorm(tokens) * kept[..., None]
        return MoFMModelOutput(last_hidden_state=tokens, cube_ids=cube_ids, attention_mask=kept.long())

    def _answer(self, tokens: Tensor, cube_ids: Tensor, kept: Tensor, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run the last layer for the asked cubes, bool `[N, L]`; return tokens, cube ids and which are not padding."""
        asking, places, answered = keep_cubes(tokens, asked.gather(1, cube_ids) & kept)
        asking_ids = cube_ids.gather(1, places)
        answers = run_layers(self.layers[-1:], asking, asking_ids, answered, self.config, (tokens, cube_ids, kept))
        return answers, asking_ids, answered


def run_layers(
    layers: nn.ModuleList,
    tokens: Tensor,
    cube_ids: Tensor,
    kept: Tensor,
    config: MoFMConfig,
    asked: tuple[Tensor, Tensor, Tensor] | None = None,
    **kwargs: Unpack[TransformersKwargs],
) -> Tensor:
    """Run transformer layers over tokens of cubes: self-attention, or cross-attention to other tokens.

    Args:
        tokens, cube_ids, kept: `[N, P, D]`, `[N, P]` and bool `[N, P]`, False is padding.
        asked: the same for the tokens to attend to instead; None is self-attention.
    """
    if not layers:
        return tokens
    recorded = any(
        kwargs.get(name, getattr(config, name, False)) for name in ("output_hidden_states", "output_attentions")
    )
    others, other_ids, others_kept = (None, None, kept) if asked is None else asked
    packed, attention_mask = None, None
    if can_pack(config, tokens, layers[0].training, recorded):
        clips = PackedClips(kept, config.num_cubes)
        packed = (clips, clips if asked is None else PackedClips(others_kept, config.num_cubes))
        tokens, cube_ids = clips.pack(tokens), clips.pack(cube_ids)
        if asked is not None:
            others, other_ids = packed[1].pack(others), packed[1].pack(other_ids)
    else:
        attention_mask = create_bidirectional_mask(
            config=config, inputs_embeds=tokens, attention_mask=others_kept, encoder_hidden_states=others
        )
    sizes = (config.grid_size, config.hidden_size // config.num_attention_heads)
    positions = rotary_positions(cube_ids, *sizes)
    context = None if asked is None else (others, rotary_positions(other_ids, *sizes))
    for layer in layers:
        tokens = layer(tokens, positions, attention_mask, context, packed, **kwargs)
    return tokens if packed is None else packed[0].unpack(tokens)


def compile_layers(model: nn.Module) -> None:
    """Compile the layers of a model's encoder and predictor, in place, one graph for batches of every length.

    Raises:
        ValueError: it has none.
    """
    layers = [module for module in model.modules() if isinstance(module, MoFMLayer)]
    if not layers:
        raise ValueError(f"compile_layers is true; {type(model).__name__} has no layers of MoFM")
    for layer in layers:
        layer.compile(dynamic=True)


class NotFittedError(ValueError):
    """The weights that an answer needs were never trained."""


class MoFMPreTrainedModel(WholeRepository, SafeWeights, PreTrainedModel):
    config_class = MoFMConfig
    base_model_prefix = "mofm"
    main_input_name = "keypoints"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False
    _no_split_modules = ["MoFMEmbeddings", "MoFMLayer"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    _keys_to_ignore_on_load_unexpected = [rf"^({'|'.join(HEADS)})\."]
    _can_record_outputs = {"hidden_states": MoFMLayer, "attentions": MoFMAttention}

    # where the model was loaded from, for the parts beside it: revision, token, cache_dir, subfolder ...
    hub_options: Mapping[str, object] = MappingProxyType({})
    # modules whose weights the folder that it was loaded from does not have: nothing has trained them
    new_parts: frozenset[str] = frozenset()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """See `PreTrainedModel.from_pretrained`; a `config` without a dtype loads in single precision.

        Weights may be stored in half precision, in which training does not converge.
        """
        config = kwargs.get("config")
        if isinstance(config, MoFMConfig) and config.dtype is None:
            kwargs.setdefault("dtype", torch.float32)
        wants_info = kwargs.pop("output_loading_info", False)
        model, info = super().from_pretrained(pretrained_model_name_or_path, *args, output_loading_info=True, **kwargs)
        model.freeze_unused()  # loading makes every weight anew
        model.new_parts = frozenset(name.split(".")[0] for name in info["missing_keys"])
        options = {name: kwargs[name] for name in HUB_OPTIONS if kwargs.get(name) is not None}
        commit = getattr(model.config, "_commit_hash", None)
        if commit is not None:  # the very commit, even if a branch moves on
            options["revision"] = commit
        model.hub_options = MappingProxyType(options)
        return (model, info) if wants_info else model

    def post_init(self) -> None:
        """See `PreTrainedModel.post_init`."""
        super().post_init()
        self.freeze_unused()

    def freeze_unused(self) -> None:
        """Let weights that the loss does not reach expect no gradient: distributed trainings wait for all of them."""

    def train(self, mode: bool = True):
        """See `torch.nn.Module.train`; new weights count as trained from here on."""
        if mode and self.new_parts:
            self.new_parts -= {name.split(".")[0] for name, _ in self.named_parameters()}
        return super().train(mode)

    def save_companions(self, folder: str | os.PathLike) -> None:
        """Save the tokenizer of the folder that the model was loaded from; if it has none, the feature extractor."""
        try:
            MoFMTokenizer.from_pretrained(self.name_or_path, **self.hub_options).save_pretrained(folder)
        except (OSError, ValueError):
            extractor_beside(self).save_pretrained(folder)

    def read_clips(
        self, keypoints: Tensor | None = None, scores: Tensor | None = None, heatmaps: Tensor | None = None
    ) -> ClipInputs:
        """Check clips once for a whole forward pass; for the arguments see `MoFMModel.forward`."""
        return ClipInputs.check(self.config, self.dtype, keypoints, scores, heatmaps)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, (MoFMEmbeddings, MoFMPredictor)):
            init.trunc_normal_(module.mask_token, std=self.config.initializer_range)
        elif isinstance(module, CubeProjection):
            init.copy_(module.weight, module.smooth_weights(module.spread * self.config.initializer_range))
        elif isinstance(module, FrameCubeEmbedding):
            init.normal_(module.projection.bias, std=BIAS)
            init.copy_(module.frames, module.first_frames())
            init.zeros_(module.bias)


def extractor_beside(model: MoFMPreTrainedModel) -> MoFMFeatureExtractor:
    """Return the feature extractor saved with a model; if there is none, one for the model's sizes.

    It may have been saved by a tokenizer: whether people share a box is taken from the model.
    """
    if model.name_or_path:
        try:
            extractor = MoFMFeatureExtractor.from_pretrained(model.name_or_path, **model.hub_options)
            extractor.shared_box = model.config.shared_box
            return extractor
        except OSError:
            pass
    return MoFMFeatureExtractor.for_config(model.config)


class MoFMModel(MoFMPreTrainedModel):
    """The encoder: key-points (or heat-maps) to one token per cube that holds heat, and their mean.

    Inputs may have a people axis, `[B, M, F, K, 2]`; each person is a sequence of its own (N = B * M).
    """

    def __init__(self, config: MoFMConfig):
        super().__init__(config)
        self.embeddings = MoFMEmbeddings(config)
        self.layers = nn.ModuleList([MoFMLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.cube_embeddings

    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        bool_masked_pos: Tensor | None = None,
        clips: ClipInputs | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> MoFMModelOutput:
        """Encode clips.

        Args:
            keypoints: `[B, F, K, 2]` or `[B, M, F, K, 2]` in map pixels, as `MoFMFeatureExtractor` makes them.
            scores: `[B, (M,) F, K]` in [0, 1]; 0 is a missing joint; without them every joint is present.
            heatmaps: `[B, (M,) K, F, H, W]`, instead of key-points.
            bool_masked_pos: bool `[N, L]`, cubes to be replaced by the mask embedding, or left out of the sequence if
                the configuration has a predictor.
            clips: result of `read_clips`, instead of the three: for heads that need the clips themselves.

        Raises:
            ValueError: neither or both of key-points and heat-maps, or a shape that does not fit the configuration.
        """
        for name in LANGUAGE_INPUTS:  # wrappers such as PEFT's pass them, empty, to any model
            if kwargs.pop(name, None) is not None:
                raise ValueError(f"{name} is an input of language models; MoFM takes keypoints and scores")
        if clips is None:
            clips = self.read_clips(keypoints, scores, heatmaps)
        check_per_cube("bool_masked_pos", bool_masked_pos, self.config, clips.number)
        if bool_masked_pos is not None and self.config.predictor_layers:
            clips, bool_masked_pos = clips.without(bool_masked_pos, self.config), None
        tokens = self.embeddings(clips, bool_masked_pos)
        if self.config.drop_empty_cubes:
            active = clips.active
            if bool_masked_pos is not None:
                active = active | bool_masked_pos
            tokens, cube_ids, kept = keep_cubes(tokens, active)
        else:
            kept = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
            cube_ids = torch.arange(tokens.shape[1], device=tokens.device).expand(tokens.shape[0], -1)
        hidden_states = run_layers(self.layers, tokens, cube_ids, kept, self.config, **kwargs)
        hidden_states = self.layernorm(hidden_states) * kept[..., None]
        pooled = hidden_states.sum(1) / kept.sum(1, keepdim=True)
        if clips.people is not None:
            pooled = pooled.unflatten(0, clips.people)
        return MoFMModelOutput(
            last_hidden_state=hidden_states, pooler_output=pooled, cube_ids=cube_ids, attention_mask=kept.long()
        )

    def get_embeddings(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        layers: int | Sequence[int] = -1,
    ) -> MotionEmbeddings:
        """Return the embeddings of motions: by joint and time slice, by joint, by slice, and as one vector::

            model.get_embeddings(**extractor(motions)).over_people().vectors  # [B, T * K * D], cosine-ready

        Args:
            keypoints, scores, heatmaps: as in `forward`.
            layers: layer, 0 (the embedded cubes) to `num_hidden_layers`, -1 the last; several are averaged.

        Raises:
            ValueError: as in `forward`, a layer that is not there, or heat-maps where `config.embed_centered` needs
                key-points.
        """
        found = embed_clips(self, self.read_clips(keypoints, scores, heatmaps), layers)
        if not self.config.embed_centered:
            return found
        centred = centred_in_map(keypoints, scores, self.config, "embed_centered")
        return found.beside(embed_clips(self, self.read_clips(centred, scores), layers))


def check_per_cube(name: str, values: Tensor | None, config: MoFMConfig, num_clips: int) -> None:
    """Raise a ValueError unless `values`, if given, is one value per cube of each of the N clips, `[N, L]`."""
    shape = (num_clips, config.num_cubes)
    if values is not None and tuple(values.shape) != shape:
        raise ValueError(f"{name} must be {list(shape)} (people folded into the batch), got {list(values.shape)}")


def keep_cubes(tokens: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Drop all cubes but the wanted ones from the sequence.

    Args:
        tokens: `[N, L, D]`.
        wanted: bool `[N, L]`.

    Returns:
        tokens `[N, P, D]`, their places in L `[N, P]`, and bool `[N, P]`, False is padding. A clip of which nothing
        is wanted keeps its first cube, so that attention has something to attend to. Compiled graphs keep P = L (a
        length that depends on the data would break them), exported ones at least 2, and both give the same outputs.
    """
    wanted = wanted.clone()
    wanted[:, 0] |= ~wanted.any(1)
    kept = wanted.sum(1)
    # where each cube goes: wanted ones to the front, the others behind them, each kind in its order
    rank = torch.where(wanted, wanted.cumsum(1), kept[:, None] + (~wanted).cumsum(1)) - 1
    numbers = torch.arange(wanted.shape[1], device=wanted.device).expand_as(rank)
    places = torch.zeros_like(rank).scatter(1, rank, numbers)
    if torch.compiler.is_exporting():
        longest = kept.max().clamp(min=2).item()
        torch._check(longest >= 2)
        torch._check(longest <= wanted.shape[1])
        places = places[:, :longest]
    elif not torch.compiler.is_compiling():
        places = places[:, : int(kept.max()) if len(kept) else 0]
    tokens = tokens.gather(1, places[..., None].expand(-1, -1, tokens.shape[-1]))
    return tokens, places, torch.arange(places.shape[1], device=tokens.device) < kept[:, None]
