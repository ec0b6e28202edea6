"""Configuration of the discrete variational encoder-decoder (dVED)."""

import math

from huggingface_hub.dataclasses import strict

from .configuration_cubes import ThermalCubeConfig

QUANTIZERS = ("gumbel", "vq", "rvq", "fsq")
RECONSTRUCTIONS = ("max", "joints")

# every size differs from the defaults in these fields only
DVED_PRESETS = {
    "tiny": {"hidden_size": 128, "num_encoder_blocks": 2, "num_decoder_blocks": 3, "code_size": 32},
    "small": {"hidden_size": 256, "num_encoder_blocks": 2, "num_decoder_blocks": 3, "code_size": 32},
    "base": {"hidden_size": 384, "num_encoder_blocks": 2, "num_decoder_blocks": 3, "code_size": 32},
    "large": {"hidden_size": 512, "num_encoder_blocks": 2, "num_decoder_blocks": 4, "code_size": 64},
}


@strict
class DVEDConfig(ThermalCubeConfig):
    """Everything a `DVEDModel` needs; the geometry is documented in `ThermalCubeConfig`.

    Args:
        codebook_size: words T of the MotionBook.
        code_size: width of a code word; small, unit-length codes are used far more evenly than wide ones.
        quantizer: "gumbel" (the paper's: a categorical posterior, straight-through Gumbel-softmax), "vq" (nearest
            code, learnt by gradient), "rvq" (nearest codes, each of what those before leave) or "fsq" (numbers
            rounded to levels, nothing to learn).
        levels: of each number of "fsq", codes of each step of "rvq", two or more; their product is `codebook_size`.
        hidden_size: channels of the residual blocks.
        num_encoder_blocks, num_decoder_blocks: the paper's r; one repeat is a 2D (space) then a 3D residual block.
        reconstruction: "max" reconstructs one map, the maximum over joints (the paper's encoder-*decoder*);
            "joints" reconstructs every joint's own map.
        num_profiles: pairs of a row and a column profile that the decoder draws per cube and frame; a cube seldom
            holds more joints.
        background: heat below this is drawn as 0: less than the foot of any joint with a score of 1.
        initial_temperature, final_temperature: of the Gumbel-softmax, annealed geometrically over the training.
        kl_weight: beta of the KL between a cube's posterior and the uniform prior (per cube, nats).
        usage_weight: weight of the KL between the batch's mean posterior and the uniform prior; keeps the code book
            from collapsing without making each posterior uncertain.
        commitment_weight: weight of the commitment loss of "vq" and "rvq".
        heat_weight: extra weight of a voxel in the reconstruction loss, times its true heat. Even inside active
            cubes most voxels are background, and a plain loss answers with faint, wide blobs.
        structure_weight: weight of one minus the structural similarity (SSIM) within cubes. A squared error alone is
            answered with faint, wide heat wherever a position is uncertain.
        restart_threshold: a code word used less than this fraction of an even use is moved to a current latent.
        usage_decay: decay of the moving average of the use of each code word.
        initializer_range: standard deviation of initial weights.
    """

    model_type = "mofm_dved"

    # vocabulary
    codebook_size: int = 512
    code_size: int = 32
    quantizer: str = "gumbel"
    levels: list[int] | tuple[int, ...] = (8, 8, 8)

    # network
    hidden_size: int = 128
    num_encoder_blocks: int = 2
    num_decoder_blocks: int = 3
    reconstruction: str = "max"
    num_profiles: int = 4
    background: float | int = 0.02
    layer_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    # objective
    initial_temperature: float | int = 1.0
    final_temperature: float | int = 0.1
    kl_weight: float | int = 1e-4
    usage_weight: float | int = 0.05
    commitment_weight: float | int = 0.25
    heat_weight: float | int = 4.0
    structure_weight: float | int = 200.0
    restart_threshold: float | int = 0.05
    usage_decay: float = 0.98

    def validate_architecture(self) -> None:
        super().validate_architecture()
        if self.quantizer not in QUANTIZERS:
            raise ValueError(f"quantizer must be one of {QUANTIZERS}, got {self.quantizer!r}")
        if self.reconstruction not in RECONSTRUCTIONS:
            raise ValueError(f"reconstruction must be one of {RECONSTRUCTIONS}, got {self.reconstruction!r}")
        for name in ("hidden_size", "code_size", "num_profiles"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        weights = ("kl_weight", "usage_weight", "commitment_weight", "heat_weight", "structure_weight")
        for name in ("num_encoder_blocks", "num_decoder_blocks", "restart_threshold", "background", *weights):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be 0 or more, got {getattr(self, name)}")
        if self.codebook_size < 2:
            raise ValueError(f"codebook_size must be at least 2, got {self.codebook_size}")
        if self.quantizer in ("rvq", "fsq") and (min(self.levels) < 2 or math.prod(self.levels) != self.codebook_size):
            raise ValueError(
                f"levels must be 2 or more each, and their product codebook_size = {self.codebook_size}, got "
                f"{list(self.levels)}"
            )
        if not 0 < self.final_temperature <= self.initial_temperature:
            raise ValueError(
                "final_temperature must be in (0, initial_temperature], got "
                f"{self.final_temperature} with initial_temperature = {self.initial_temperature}"
            )
        if not 0 < self.usage_decay < 1:
            raise ValueError(f"usage_decay must be in (0, 1), got {self.usage_decay}")

    @classmethod
    def from_preset(cls, name: str, **overrides: int | float | str) -> "DVEDConfig":
        """Return the configuration of a named size, with any field overridden."""
        if name not in DVED_PRESETS:
            raise ValueError(f"preset must be one of {tuple(DVED_PRESETS)}, got {name!r}")
        return cls(**{**DVED_PRESETS[name], **overrides})

    @property
    def empty_id(self) -> int:
        """The id of a cube without heat: the word after the T code words."""
        return self.codebook_size

    @property
    def num_output_channels(self) -> int:
        """Maps that the decoder draws per frame."""
        return 1 if self.reconstruction == "max" else self.num_keypoints
