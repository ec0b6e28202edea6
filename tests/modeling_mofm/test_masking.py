import pytest
import torch
from clips import make_clips

from modeling_mofm.masking import MASKINGS, mask_cubes, noise_shape
from tokenization_mofm.thermal_cubes import touched_cubes

GRID = (4, 8, 8)
CELLS = 64


def wandering(n=24, missing=0.2):
    """Return which key-points touch which cubes of clips at the default geometry, `[n, 256, 17]`."""
    keypoints, scores = make_clips(n, frames=48, size=72, missing=missing)
    return touched_cubes(keypoints, scores, 72, (12, 9, 9), 0.75, 3.0)


def sparse(n=24):
    """Return clips of 2 to 25 active cubes, each touched by one to three key-points."""
    touched = torch.zeros(n, 256, 17, dtype=torch.bool)
    for clip in range(n):
        for cube in torch.randperm(256)[: 2 + clip]:
            touched[clip, cube, torch.randperm(17)[: 1 + clip % 3]] = True
    return touched


def crowded(n=8):
    """Return clips in which every key-point touches the same 2 to 9 cubes, all in one slice."""
    touched = torch.zeros(n, 256, 17, dtype=torch.bool)
    for clip in range(n):
        touched[clip, 64 + torch.randperm(CELLS)[: 2 + clip]] = True
    return touched


def separate(n=24, slices=6, key_points=17):
    """Return clips in which key-point k touches cell k of each slice and nothing else, `[n, slices * 25, k]`."""
    return torch.eye(25, key_points, dtype=torch.bool).repeat(slices, 1).expand(n, -1, -1)


CLIPS = {"wandering": wandering, "sparse": sparse, "crowded": crowded}
every_masking = pytest.mark.parametrize("masking", MASKINGS)


def noise_for(touched, masking, grid=GRID):
    return torch.rand(len(touched), *noise_shape(masking, grid, touched.shape[-1]))


@every_masking
@pytest.mark.parametrize("ratio", [0.01, 0.15, 0.4, 0.75, 0.99])
@pytest.mark.parametrize("kind", CLIPS)
def test_never_nothing_never_everything_never_empty_cubes(kind, masking, ratio):
    touched = CLIPS[kind]()
    active = touched.any(-1)
    assert (active.sum(1) >= 2).all()
    masked = mask_cubes(touched, noise_for(touched, masking), GRID, masking, ratio, 2)
    assert (masked.dtype, masked.shape) == (torch.bool, active.shape)
    assert not (masked & ~active).any()
    assert (masked.sum(1) > 0).all()
    assert (masked.sum(1) < active.sum(1)).all()


@every_masking
@pytest.mark.parametrize("count", [0, 1])
def test_clips_that_cannot_be_masked(masking, count):
    touched = torch.zeros(3, 256, 17, dtype=torch.bool)
    touched[:, 7, :3] = count == 1
    assert not mask_cubes(touched, noise_for(touched, masking), GRID, masking, 0.4, 2).any()


@every_masking
def test_deterministic_from_the_noise(masking):
    touched = wandering()
    noise = noise_for(touched, masking)
    kept = noise.clone(), touched.clone()
    masks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        masks.append(mask_cubes(touched, noise, GRID, masking, 0.4, 2))
    assert torch.equal(*masks)
    assert torch.equal(noise, kept[0]) and torch.equal(touched, kept[1])
    other = mask_cubes(touched, noise_for(touched, masking), GRID, masking, 0.4, 2)
    assert (other != masks[0]).any(1).all()


@every_masking
def test_a_clip_is_masked_the_same_in_any_batch(masking):
    touched = torch.cat((wandering(6), sparse(6), crowded(6), torch.zeros(1, 256, 17, dtype=torch.bool)))
    noise = noise_for(touched, masking)
    together = mask_cubes(touched, noise, GRID, masking, 0.4, 2)
    for i in range(len(touched)):
        alone = mask_cubes(touched[i : i + 1], noise[i : i + 1], GRID, masking, 0.4, 2)
        assert torch.equal(alone[0], together[i]), i
    order = torch.randperm(len(touched))
    assert torch.equal(mask_cubes(touched[order], noise[order], GRID, masking, 0.4, 2), together[order])


@pytest.mark.parametrize(
    ("masking", "clip_tolerance"), [("keypoint", 0.15), ("uniform", 0.01), ("tube", 0.05)], ids=MASKINGS
)
@pytest.mark.parametrize("ratio", [0.15, 0.4, 0.75])
def test_share_is_near_the_ratio(masking, clip_tolerance, ratio):
    touched = wandering()
    masked = mask_cubes(touched, noise_for(touched, masking), GRID, masking, ratio, 2)
    share = masked.sum(1) / touched.any(-1).sum(1)
    assert (share - ratio).abs().max() < clip_tolerance
    assert share.mean().item() == pytest.approx(ratio, abs=0.03)


@pytest.mark.parametrize("ratio", [0.15, 0.4, 0.75])
def test_uniform_masks_the_active_cubes_of_least_noise(ratio):
    touched = sparse()
    active = touched.any(-1)
    noise = noise_for(touched, "uniform")
    masked = mask_cubes(touched, noise, GRID, "uniform", ratio, 2)
    for clip in range(len(touched)):
        cubes = active[clip].nonzero().flatten().tolist()
        number = int(masked[clip].sum())
        least = sorted(cubes, key=lambda cube: noise[clip, cube].item())[:number]
        assert sorted(least) == masked[clip].nonzero().flatten().tolist()
        errors = [abs(n - ratio * len(cubes)) for n in range(1, len(cubes))]
        assert abs(number - ratio * len(cubes)) == pytest.approx(min(errors))


@pytest.mark.parametrize("ratio", [0.15, 0.4, 0.75])
def test_tube_masks_the_same_places_in_every_slice(ratio):
    touched = wandering()
    active = touched.any(-1).unflatten(1, (4, CELLS))
    masked = mask_cubes(touched, noise_for(touched, "tube"), GRID, "tube", ratio, 2).unflatten(1, (4, CELLS))
    for clip in range(len(touched)):
        places = masked[clip].any(0)
        assert torch.equal(masked[clip], active[clip] & places)


@pytest.mark.parametrize("span", [1, 2, 3, 4])
@pytest.mark.parametrize("ratio", [0.15, 0.4, 0.75])
@pytest.mark.parametrize("kind", ["wandering", "sparse"])
def test_keypoint_masks_whole_keypoints(kind, ratio, span):
    touched = CLIPS[kind]()
    if kind == "sparse":
        touched = touched[4:]  # clips of a few cubes may all hang together
    masked = mask_cubes(touched, noise_for(touched, "keypoint"), GRID, "keypoint", ratio, span)
    hit = touched.unflatten(1, (4, CELLS))  # N T cells K
    hidden = masked.unflatten(1, (4, CELLS))
    whole = (hidden[..., None] | ~hit).all(2) & hit.any(2)  # N T K: all cubes that the key-point touches are masked
    union = (hit & whole[:, :, None]).any(-1)
    assert whole.flatten(1).any(1).all()
    assert torch.equal(union, hidden)


def test_keypoint_falls_back_to_cubes_where_all_hang_together():
    touched = crowded()
    masked = mask_cubes(touched, noise_for(touched, "keypoint"), GRID, "keypoint", 0.4, 2)
    count = touched.any(-1).sum(1)
    expected = (0.4 * count).round().clamp(min=1)
    assert ((masked.sum(1) - expected).abs() <= 0.5).all()


def changes_and_runs(pattern):
    """Return the number of changes and the lengths of the inner runs of a sequence of bools."""
    edges = [i for i in range(1, len(pattern)) if pattern[i] != pattern[i - 1]]
    return len(edges), [b - a for a, b in zip(edges, edges[1:], strict=False)]


@pytest.mark.parametrize("span", [1, 2, 3, 6])
def test_a_keypoint_is_hidden_for_a_span_in_one_go(span):
    touched = separate()
    noise = noise_for(touched, "keypoint", (6, 5, 5))
    masked = mask_cubes(touched, noise, (6, 5, 5), "keypoint", 0.4, span)
    pattern = masked.unflatten(1, (6, 25))[:, :, :17].transpose(1, 2).flatten(0, 1)  # N*K T
    most = 5 if span == 1 else (5 + span - 1) // span
    lengths = []
    for row in pattern.tolist():
        changes, runs = changes_and_runs(row)
        assert changes <= most
        assert min(runs, default=span) >= span
        lengths += runs
    assert pattern.any() and not pattern.all()
    assert span == 6 or min(lengths) == span


def test_a_span_of_the_whole_clip_masks_the_same_keypoints_in_all_slices():
    touched = separate()
    noise = noise_for(touched, "keypoint", (6, 5, 5))
    noise[..., 0] = torch.rand(24, 17).argsort(1) / 4096  # of such numbers, spans start at slice 0
    masked = mask_cubes(touched, noise, (6, 5, 5), "keypoint", 0.4, 6).unflatten(1, (6, 25))[:, :, :17]
    assert torch.equal(masked, masked[:, :1].expand_as(masked))
    assert (masked[:, 0].sum(1) == 7).all()  # 7 of 17 are nearest to 0.4


@pytest.mark.parametrize("span", [2, 3])
def test_spans_start_at_any_slice(span):
    touched = separate(n=200)
    masked = mask_cubes(touched, noise_for(touched, "keypoint", (6, 5, 5)), (6, 5, 5), "keypoint", 0.4, span)
    pattern = masked.unflatten(1, (6, 25))[:, :, :17].long()
    changes = (pattern.diff(dim=1) != 0).double().mean((0, 2))  # at each of the five borders of slices
    assert changes.min() > 0.6 * changes.max()


@pytest.mark.parametrize(
    ("masking", "shape"), [("keypoint", (17, 4)), ("uniform", (256,)), ("tube", (64,))], ids=MASKINGS
)
def test_noise_shape(masking, shape):
    assert noise_shape(masking, GRID, 17) == shape


def test_unknown_masking_is_refused():
    message = r"masking must be one of \('keypoint', 'uniform', 'tube'\), got 'random'"
    with pytest.raises(ValueError, match=message):
        noise_shape("random", GRID, 17)
    with pytest.raises(ValueError, match=message):
        mask_cubes(wandering(1), torch.rand(1, 256), GRID, "random", 0.4, 2)
