"""The discrete variational encoder-decoder (dVED): thermal cubes to code words and back (MoFM, section 3.2, Fig. 2).

The encoder embeds each cube, mixes neighbours with 2D and 3D residual blocks, and gives each cube a posterior over the
words of the MotionBook. The decoder reads the words and draws the heat-map, by default the maximum over joints.

Two departures from a plain convolutional decoder suit heat-maps. A cube without heat is not quantised: it has the word
`<empty>`, and exact zeros are drawn there, so that no capacity is spent on background. And as heat is a product of a
profile over rows and one over columns, the decoder draws profiles, a few pairs per cube, which gives sharp blobs where
a dense layer gives ghosts.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs
from transformers.utils.output_capturing import capture_outputs

from .clip_inputs import ClipInputs
from .configuration_dved import DVEDConfig
from .cube_embedding import CubeEmbedding, CubeProjection
from .quantizers import (
    CodeBook,
    FiniteScalarQuantizer,
    GumbelQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
    masked_mean,
)
from .reconstruction_metrics import ssim_map
from .repository import WholeRepository
from .safe_weights import SafeWeights
from .thermal_cubes import cut_cubes, join_cubes, render_map, render_volume

BACKGROUND_LOGIT = -1.5  # initial logit of a drawn profile: most voxels are background


@dataclass
class DVEDEncoderOutput(ModelOutput):
    """
    Args:
        input_ids: `[N, L]` code word of each cube; `config.empty_id` where the cube holds no heat.
        latents: `[N, L, C]` before quantisation.
    """

    input_ids: Tensor | None = None
    latents: Tensor | None = None


@dataclass
class DVEDOutput(ModelOutput):
    """
    Args:
        loss: scalar, the negative ELBO per active cube up to constants: reconstruction + kl_weight * kl, and
            usage_weight * usage + commitment_weight * commitment that keep the code book healthy.
        heatmaps: `[N, C, F, H, W]` reconstruction in [0, 1]; C is 1 or the number of key-points; not in training.
        input_ids: `[N, L]` code words; `config.empty_id` where the cube holds no heat.
        reconstruction_loss, kl, usage, commitment: scalars, the parts of the loss before they are weighted.
        hidden_states: `[N, L, D]` of each residual block, where asked for.
    """

    loss: Tensor | None = None
    heatmaps: Tensor | None = None
    input_ids: Tensor | None = None
    reconstruction_loss: Tensor | None = None
    kl: Tensor | None = None
    usage: Tensor | None = None
    commitment: Tensor | None = None
    hidden_states: tuple[Tensor, ...] | None = None


class DVEDResidualBlock(GradientCheckpointingLayer):
    """A bottleneck: down to half the channels, a convolution over the grid of cubes, up again, and a skip connection.

    A 2D block (kernel depth 1) mixes neighbours within a time slice, a 3D block also across slices.
    """

    def __init__(self, config: DVEDConfig, kernel_size: tuple[int, int, int]):
        super().__init__()
        self.grid_size = config.grid_size
        D, half, eps = config.hidden_size, config.hidden_size // 2, config.layer_norm_eps
        self.norm1, self.down = nn.LayerNorm(D, eps=eps), nn.Linear(D, half)
        self.norm2 = nn.LayerNorm(half, eps=eps)
        self.conv = nn.Conv3d(half, half, kernel_size, padding=tuple(side // 2 for side in kernel_size))
        self.norm3, self.up = nn.LayerNorm(half, eps=eps), nn.Linear(half, D)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Map `[N, L, D]` to the same shape; channels stay last, which is fastest for the norm and on a CPU."""
        residual = self.down(F.silu(self.norm1(hidden_states)))
        residual = F.silu(self.norm2(residual)).unflatten(1, self.grid_size).permute(0, 4, 1, 2, 3)
        residual = self.conv(residual).permute(0, 2, 3, 4, 1).flatten(1, 3)
        return hidden_states + self.up(F.silu(self.norm3(residual)))


def residual_stack(config: DVEDConfig, repeats: int) -> nn.ModuleList:
    """Return `repeats` pairs of a 2D and a 3D residual block."""
    return nn.ModuleList([DVEDResidualBlock(config, kernel) for kernel in [(1, 3, 3), (3, 3, 3)] * repeats])


class DVEDEncoder(nn.Module):
    """Thermal cubes to latents."""

    def __init__(self, config: DVEDConfig):
        super().__init__()
        self.cube_embeddings = CubeEmbedding(
            config.num_keypoints,
            config.hidden_size,
            config.heatmap_size,
            config.cube_size,
            config.sigma,
            config.truncate,
        )
        self.position_embeddings = nn.Parameter(torch.zeros(config.num_cubes, config.hidden_size))
        self.blocks = residual_stack(config, config.num_encoder_blocks)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.hidden_size, config.code_size)

    def forward(self, clips: ClipInputs) -> Tensor:
        """Encode clips to latents `[N, L, C]`."""
        hidden_states = self.cube_embeddings(clips) + self.position_embeddings
        for block in self.blocks:
            hidden_states = block(hidden_states)
        return self.projection(self.layernorm(hidden_states))


class DVEDDecoder(nn.Module):
    """Code words to heat."""

    def __init__(self, config: DVEDConfig):
        super().__init__()
        self.cube_size = tuple(config.cube_size)
        self.num_channels = config.num_output_channels
        self.num_profiles = config.num_profiles
        frames, rows, columns = self.cube_size
        self.embedding = nn.Linear(config.code_size, config.hidden_size)
        self.empty_embedding = nn.Parameter(torch.zeros(config.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(config.num_cubes, config.hidden_size))
        self.blocks = residual_stack(config, config.num_decoder_blocks)
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(config.hidden_size, 4 * config.hidden_size)
        self.fc2 = nn.Linear(4 * config.hidden_size, self.num_profiles * self.num_channels * frames * (rows + columns))

    def forward(self, codes: Tensor, active: Tensor) -> Tensor:
        """Decode `codes` [N, L, C] of the `active` [N, L] cubes to `[N, L, D]`."""
        hidden_states = torch.where(active[..., None], self.embedding(codes), self.empty_embedding)
        hidden_states = hidden_states + self.position_embeddings
        for block in self.blocks:
            hidden_states = block(hidden_states)
        return self.layernorm(hidden_states)

    def draw(self, hidden_states: Tensor) -> Tensor:
        """Draw cubes `[..., D]` as `[..., channels, t, h, w]` in [0, 1], a sum of products of two profiles."""
        t, h, w = self.cube_size
        profiles = self.fc2(F.silu(self.fc1(hidden_states))) + BACKGROUND_LOGIT
        profiles = profiles.sigmoid().unflatten(-1, (self.num_channels, t, self.num_profiles, h + w))
        rows, columns = profiles.split((h, w), dim=-1)
        return (rows.transpose(-1, -2) @ columns).clamp(max=1)  # ... C t h w


class DVEDPreTrainedModel(WholeRepository, SafeWeights, PreTrainedModel):
    config_class = DVEDConfig
    base_model_prefix = "dved"
    main_input_name = "keypoints"
    input_modalities = ("video",)
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False
    _no_split_modules = ["DVEDResidualBlock", "CubeEmbedding"]
    _can_compile_fullgraph = True
    _can_record_outputs = {"hidden_states": DVEDResidualBlock}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        std = self.config.initializer_range
        if isinstance(module, (DVEDEncoder, DVEDDecoder)):
            init.trunc_normal_(module.position_embeddings, std=std)
            if isinstance(module, DVEDDecoder):
                init.trunc_normal_(module.empty_embedding, std=std)
        elif isinstance(module, CubeProjection):
            init.copy_(module.weight, module.smooth_weights(1.5 * std))
        elif isinstance(module, (nn.Conv3d, nn.Linear)):
            # the fan-in rule at the default range: 0.02 alone makes narrow layers silent at the start
            init.normal_(module.weight, std=50 * std * module.weight[0].numel() ** -0.5)
        elif isinstance(module, CodeBook):
            init.normal_(module.weight, std=std)
            init.ones_(module.share)
        elif isinstance(module, GumbelQuantizer):
            init.zeros_(module.log_scale)
        elif isinstance(module, ResidualQuantizer):
            init.zeros_(module.log_lengths)
            init.ones_(module.share)
        elif isinstance(module, FiniteScalarQuantizer):
            init.ones_(module.share)


class DVEDModel(DVEDPreTrainedModel):
    """Key-points (or heat-maps) to MotionBook ids, and ids to heat-maps."""

    def __init__(self, config: DVEDConfig):
        super().__init__(config)
        self.encoder = DVEDEncoder(config)
        if config.quantizer == "fsq":
            self.quantizer = FiniteScalarQuantizer(config.levels, config.code_size, config.usage_decay)
        else:
            learnt = {"gumbel": GumbelQuantizer, "vq": VectorQuantizer, "rvq": ResidualQuantizer}[config.quantizer]
            size = config.levels if config.quantizer == "rvq" else config.codebook_size
            self.quantizer = learnt(size, config.code_size, config.restart_threshold, config.usage_decay)
        self.decoder = DVEDDecoder(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.encoder.cube_embeddings

    def encode(
        self, keypoints: Tensor | None = None, scores: Tensor | None = None, heatmaps: Tensor | None = None
    ) -> DVEDEncoderOutput:
        """Return the most probable code word of each cube; for the arguments and errors see `forward`."""
        clips = ClipInputs.check(self.config, self.dtype, keypoints, scores, heatmaps)
        active, latents = clips.active, self.encoder(clips)
        input_ids = torch.where(active, self.quantizer.nearest(latents), self.config.empty_id)
        return DVEDEncoderOutput(input_ids=input_ids, latents=latents)

    def decode(self, input_ids: Tensor) -> Tensor:
        """Draw `input_ids` `[N, L]`; ids from `config.empty_id` on are drawn as nothing.

        Returns:
            `[N, C, F, H, W]` in [0, 1].

        Raises:
            ValueError: the ids are not one per cube of the grid, or an id is negative.
        """
        config = self.config
        if input_ids.ndim != 2 or input_ids.shape[1] != config.num_cubes:
            raise ValueError(f"input_ids must be [N, {config.num_cubes}], one per cube, got {list(input_ids.shape)}")
        if not torch.compiler.is_compiling() and input_ids.numel() and int(input_ids.min()) < 0:
            raise ValueError(f"input_ids must be 0 or more, got {int(input_ids.min())}")
        active = input_ids < config.codebook_size
        codes = self.quantizer.lookup(input_ids.clamp(max=config.codebook_size - 1))
        places, in_use = active_places(active)
        cubes = self.decoder.draw(pack(self.decoder(codes, active), places)) * in_use.view(-1, 1, 1, 1, 1)
        return self.compose(unpack(cubes, places, active.shape))

    @capture_outputs
    def forward(
        self,
        keypoints: Tensor | None = None,
        scores: Tensor | None = None,
        heatmaps: Tensor | None = None,
        return_loss: bool = True,
        **kwargs: Unpack[TransformersKwargs],
    ) -> DVEDOutput:
        """Encode, quantise and reconstruct clips.

        Args:
            keypoints: `[N, F, K, 2]` in map pixels, as `MoFMFeatureExtractor` makes them (a people axis is folded
                into the batch).
            scores: `[N, F, K]` in [0, 1]; 0 is a missing joint; without them every joint is present.
            heatmaps: `[N, K, F, H, W]`, instead of key-points.
            return_loss: whether to compute the loss and its parts.

        Raises:
            ValueError: neither or both of key-points and heat-maps, or a shape that is not the configuration's.
        """
        config = self.config
        clips = ClipInputs.check(config, self.dtype, keypoints, scores, heatmaps)
        active = clips.active
        places, in_use = active_places(active)
        latents = pack(self.encoder(clips), places)
        quantized = self.quantizer(latents, in_use)
        hidden_states = self.decoder(unpack(quantized.codes, places, active.shape), active)
        cubes = self.decoder.draw(pack(hidden_states, places)) * in_use.view(-1, 1, 1, 1, 1)
        ids = unpack(quantized.ids, places, active.shape)
        input_ids = torch.where(active, ids, config.empty_id)
        drawn = None if self.training else self.compose(unpack(cubes, places, active.shape))
        loss, parts = None, {}
        if return_loss:
            target = pack(cut_cubes(self.target(clips), tuple(config.cube_size)), places)
            parts = {
                "reconstruction_loss": self.reconstruction_loss(cubes, target.to(cubes), in_use),
                "kl": quantized.kl,
                "usage": quantized.usage,
                "commitment": quantized.commitment,
            }
            loss = (
                parts["reconstruction_loss"]
                + config.kl_weight * quantized.kl
                + config.usage_weight * quantized.usage
                + config.commitment_weight * quantized.commitment
            )
        # in one go and in the order of the fields: a ModelOutput counts its values in the order they were set
        return DVEDOutput(loss=loss, heatmaps=drawn, input_ids=input_ids, **parts)

    def compose(self, cubes: Tensor) -> Tensor:
        """Put drawn cubes `[N, L, C, t, h, w]` together to maps `[N, C, F, H, W]` on a background of exact zeros."""
        return join_cubes(cubes * (cubes > self.config.background), self.config.grid_size)

    def target(self, clips: ClipInputs) -> Tensor:
        """Return the maps to reconstruct, `[N, C, F, H, W]`."""
        config = self.config
        gaussian = (config.heatmap_size, config.sigma, config.truncate)
        if config.reconstruction == "joints":
            return (
                clips.heatmaps
                if clips.heatmaps is not None
                else render_volume(clips.keypoints, clips.scores, *gaussian)
            )
        if clips.heatmaps is not None:
            return clips.heatmaps.amax(1, keepdim=True)
        return render_map(clips.keypoints, clips.scores, *gaussian)[:, None]

    def reconstruction_loss(self, cubes: Tensor, target: Tensor, active: Tensor) -> Tensor:
        """Return the loss of drawn cubes `[n, C, t, h, w]`: squared error and dissimilarity, mean over cubes.

        Even in active cubes most voxels are background: a plain squared error leads to faint, wide blobs, the ghosts
        of moving joints. So errors are weighted by `1 + heat_weight * heat`, and the structural similarity around each
        pixel penalises faint heat where there is none.
        """
        error = (1 + self.config.heat_weight * target) * (cubes - target).square()
        loss = masked_mean(error.flatten(1).sum(-1), active)
        similarity = ssim_map(cubes, target).flatten(1).mean(-1)
        return loss + self.config.structure_weight * masked_mean(1 - similarity, active)


def active_places(active: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return the flat indices of active cubes `[n]`, and bool `[n]`, whether each is one.

    Compiled and exported graphs take all cubes (None): a number that depends on the data would break them.
    """
    if torch.compiler.is_compiling():
        return None, active.flatten()
    places = active.flatten().nonzero().squeeze(1)
    return places, torch.ones_like(places, dtype=torch.bool)


def pack(values: Tensor, places: Tensor | None) -> Tensor:
    """Take `[n, ...]` cubes out of the grid `[N, L, ...]`."""
    values = values.flatten(0, 1)
    return values if places is None else values.index_select(0, places)


def unpack(values: Tensor, places: Tensor | None, shape: torch.Size) -> Tensor:
    """Put `[n, ...]` cubes back into the grid `[N, L, ...]`, zeros elsewhere."""
    if places is not None:
        values = values.new_zeros(shape.numel(), *values.shape[1:]).index_copy(0, places, values)
    return values.unflatten(0, shape)
