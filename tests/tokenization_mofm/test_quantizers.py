import math

import pytest
import torch
import torch.nn.functional as F

from tokenization_mofm.quantizers import (
    FiniteScalarQuantizer,
    GumbelQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
    masked_mean,
)

QUANTIZERS = [GumbelQuantizer, VectorQuantizer]
SIZE, WIDTH = 16, 8


def build(quantizer, size=SIZE, width=WIDTH, restart_threshold=0.0, usage_decay=0.98):
    module = quantizer(size, width, restart_threshold, usage_decay)
    torch.nn.init.normal_(module.book.weight)
    return module


@pytest.fixture(params=QUANTIZERS, ids=["gumbel", "vq"])
def quantizer(request):
    return build(request.param).eval()


@pytest.fixture
def latents():
    return torch.randn(40, WIDTH) * 3


def forward(quantizer, latents, active=None, seed=1):
    torch.manual_seed(seed)
    return quantizer(latents, torch.ones(len(latents), dtype=torch.bool) if active is None else active)


@pytest.mark.parametrize("training", [False, True])
def test_shapes_and_ranges(quantizer, latents, training):
    output = forward(quantizer.train(training), latents)
    assert output.codes.shape == (40, WIDTH) and output.ids.shape == (40,)
    assert output.ids.dtype == torch.long and 0 <= output.ids.min() and output.ids.max() < SIZE
    for name in ("kl", "usage", "commitment"):
        value = getattr(output, name)
        assert value.shape == () and value.isfinite() and value >= -1e-5, name
    torch.testing.assert_close(output.codes.norm(dim=-1), torch.ones(40))


@pytest.mark.parametrize("lead", [(), (3,), (2, 5)])
def test_nearest_and_lookup_keep_leading_axes(quantizer, lead):
    latents = torch.randn(*lead, WIDTH)
    ids = quantizer.nearest(latents)
    assert ids.shape == lead
    words = F.normalize(quantizer.book.weight, dim=-1)
    distance = (F.normalize(latents, dim=-1)[..., None, :] - words).square().sum(-1)
    assert torch.equal(ids, distance.argmin(-1))
    torch.testing.assert_close(quantizer.lookup(ids), words[ids])


def test_words_are_their_own_nearest(quantizer):
    ids = torch.arange(SIZE)
    assert torch.equal(quantizer.nearest(quantizer.lookup(ids)), ids)


def test_ids_are_the_nearest_in_evaluation(quantizer, latents):
    output = forward(quantizer, latents)
    assert torch.equal(output.ids, quantizer.nearest(latents))
    torch.testing.assert_close(output.codes, quantizer.lookup(output.ids))


def test_evaluation_is_deterministic_and_leaves_the_book_alone(quantizer, latents):
    state = {name: value.clone() for name, value in quantizer.state_dict().items()}
    first, second = forward(quantizer, latents, seed=1), forward(quantizer, latents, seed=2)
    for name, value in vars(first).items():
        assert torch.equal(value, getattr(second, name)), name
    for name, value in quantizer.state_dict().items():
        assert torch.equal(value, state[name]), name


def test_length_of_latents_does_not_matter(quantizer, latents):
    output, scaled = forward(quantizer, latents), forward(quantizer, latents * 7)
    assert torch.equal(output.ids, scaled.ids)
    torch.testing.assert_close((scaled.kl, scaled.commitment), (output.kl, output.commitment))


def test_gradient_reaches_latents_and_codes_stay_words(quantizer, latents):
    latents.requires_grad_()
    output = forward(quantizer.train(), latents)
    torch.testing.assert_close(output.codes, quantizer.lookup(output.ids), rtol=1e-5, atol=1e-5)
    gradient = torch.autograd.grad(output.codes.square().sum() + output.codes.sum(), latents)[0]
    assert gradient.isfinite().all() and (gradient.norm(dim=-1) > 0).all()


def test_vq_gradient_is_straight_through(latents):
    latents.requires_grad_()
    quantizer, direction = build(VectorQuantizer), torch.randn(40, WIDTH)
    gradient = torch.autograd.grad(forward(quantizer, latents).codes, latents, direction)[0]
    expected = torch.autograd.grad(F.normalize(latents, dim=-1), latents, direction)[0]
    torch.testing.assert_close(gradient, expected)


def test_vq_commitment_by_hand():
    quantizer = build(VectorQuantizer, size=2, width=2).eval()
    quantizer.book.weight.data = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    latents = torch.tensor([[3.0, 0.0], [0.6, 0.8]], requires_grad=True)
    output = forward(quantizer, latents)
    assert output.ids.tolist() == [0, 1]
    # squared distances 0 and 0.36 + 0.04; once for the latents, four times for the words
    assert output.commitment.item() == pytest.approx(5 * 0.4 / 2)
    to_latents, to_words = torch.autograd.grad(output.commitment, (latents, quantizer.book.weight))
    assert not to_latents[0].any() and to_latents[1].any()
    assert not to_words[0].any() and to_words[1].any()


def test_losses_reach_the_code_book(quantizer, latents):
    output = forward(quantizer.train(), latents)
    (output.kl + output.usage + output.commitment).backward()
    assert quantizer.book.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("log_scale", [-9.0, -2.0, 0.0, 2.0, 9.0])
@pytest.mark.parametrize("training", [False, True])
def test_kl_and_usage_lie_between_0_and_log_size(latents, log_scale, training):
    quantizer = build(GumbelQuantizer).train(training)
    quantizer.log_scale.data.fill_(log_scale)
    output = forward(quantizer, latents)
    for value in (output.kl, output.usage):
        assert -1e-4 <= value.item() <= math.log(SIZE) + 1e-4
    assert output.usage <= output.kl + 1e-5  # the mean posterior is the more even one


def test_kl_against_the_formula(latents):
    quantizer = build(GumbelQuantizer).eval()
    words = F.normalize(quantizer.book.weight, dim=-1).double()
    kl, posteriors = 0.0, []
    for latent in F.normalize(latents, dim=-1).double():
        posterior = torch.softmax(20 * words @ latent, 0)
        kl += sum(p * math.log(p * SIZE) for p in posterior.tolist()) / len(latents)
        posteriors.append(posterior)
    mean = torch.stack(posteriors).mean(0)
    usage = sum(p * math.log(p * SIZE) for p in mean.tolist())
    output = forward(quantizer, latents)
    assert (output.kl.item(), output.usage.item()) == pytest.approx((kl, usage), abs=1e-4)


def test_usage_is_0_for_even_and_log_size_for_collapsed_use():
    quantizer = build(GumbelQuantizer, size=WIDTH).eval()
    quantizer.book.weight.data = torch.eye(WIDTH)
    quantizer.log_scale.data.fill_(9.0)
    even = forward(quantizer, torch.eye(WIDTH).repeat(3, 1))
    assert even.usage.item() == pytest.approx(0, abs=1e-4)
    assert even.kl.item() == pytest.approx(math.log(WIDTH), abs=1e-4)
    collapsed = forward(quantizer, torch.eye(WIDTH)[2].repeat(24, 1))
    assert collapsed.usage.item() == pytest.approx(math.log(WIDTH), abs=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_inactive_cubes_influence_nothing(quantizer, latents, training):
    active = torch.rand(40) < 0.5
    assert 0 < active.sum() < 40
    other = torch.where(active[:, None], latents, torch.randn(40, WIDTH))
    start = {name: value.clone() for name, value in quantizer.state_dict().items()}
    quantizer.train(training).book.restart_threshold = 0.99  # below an even share after one step
    quantizer.book.usage_decay = 0.5
    results = []
    for values in (latents, other):
        quantizer.load_state_dict(start)
        output = forward(quantizer, values, active)
        results.append((output.kl, output.usage, output.commitment, output.codes[active], output.ids[active]))
        results[-1] += tuple(value.clone() for value in quantizer.state_dict().values())
    assert torch.equal(results[0][-1], results[1][-1])
    for first, second in zip(*results, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-6, atol=1e-6)


def test_losses_are_means_over_active_cubes(quantizer, latents):
    active = torch.arange(40) < 25
    output, alone = forward(quantizer, latents, active), forward(quantizer, latents[:25])
    for name in ("kl", "usage", "commitment"):
        torch.testing.assert_close(getattr(output, name), getattr(alone, name))


def test_share_follows_the_use(quantizer):
    ids = torch.tensor([3] * 6 + [5] * 2 + [7] * 4)
    active = torch.tensor([True] * 8 + [False] * 4)
    forward(quantizer.train(), quantizer.lookup(ids).detach(), active)
    expected = torch.full((SIZE,), 0.98)
    expected[3] += 0.02 * SIZE * 6 / 8
    expected[5] += 0.02 * SIZE * 2 / 8
    torch.testing.assert_close(quantizer.book.share, expected)
    assert quantizer.book.share.mean().item() == pytest.approx(1)


@pytest.mark.parametrize("kind", QUANTIZERS, ids=["gumbel", "vq"])
def test_dead_words_restart_on_active_latents(kind):
    quantizer = build(kind, restart_threshold=0.5, usage_decay=0.9).train()
    before = quantizer.book.words.detach().clone()
    alive = torch.tensor([1, 4])
    latents = quantizer.lookup(alive).detach().repeat(10, 1)
    latents = torch.cat((latents + 0.01 * torch.randn(20, WIDTH), torch.randn(20, WIDTH)))
    active = torch.arange(40) < 20
    for step in range(20):
        words, length = quantizer.book.words.detach().clone(), quantizer.book.weight.norm(dim=-1).mean().item()
        forward(quantizer, latents, active, seed=step)
        if not torch.equal(quantizer.book.words, words):
            break
    dead = torch.ones(SIZE, dtype=torch.bool).index_fill(0, alive, False)
    assert step == 6  # 0.9 ** 7 is the first power below 0.5
    torch.testing.assert_close(quantizer.book.words[alive], before[alive])
    similarity = quantizer.book.words[dead] @ F.normalize(latents, dim=-1).T
    assert similarity[:, :20].max(1).values.min() > 1 - 1e-5
    assert (similarity.argmax(1) < 20).all()
    assert torch.equal(quantizer.book.share[dead], torch.ones(SIZE - 2))
    torch.testing.assert_close(quantizer.book.weight[dead].norm(dim=-1), torch.full((SIZE - 2,), length))


def test_no_restart_while_nothing_is_active(quantizer, latents):
    quantizer.train().book.restart_threshold = 1e9
    before = quantizer.book.weight.clone()
    output = forward(quantizer, latents, torch.zeros(40, dtype=torch.bool))
    assert torch.equal(quantizer.book.weight, before)
    assert output.commitment == 0 and output.kl.isfinite() and output.usage.isfinite()


def test_low_temperature_samples_the_most_probable_word(latents):
    quantizer = build(GumbelQuantizer).train()
    agreement = []
    for temperature in (10.0, 1.0, 0.1, 1e-3):
        quantizer.temperature = temperature
        ids = torch.stack([forward(quantizer, latents, seed=seed).ids for seed in range(25)])
        agreement.append((ids == quantizer.nearest(latents)).double().mean().item())
    assert agreement == sorted(agreement)
    assert agreement[0] < 0.4 and agreement[-1] > 0.99


def test_temperature_changes_neither_losses_nor_inference(latents):
    quantizer = build(GumbelQuantizer)
    for training in (False, True):
        quantizer.train(training)
        outputs = []
        for temperature in (1.0, 0.1):
            quantizer.temperature = temperature
            outputs.append(forward(quantizer, latents))
        torch.testing.assert_close(outputs[0].kl, outputs[1].kl)
        torch.testing.assert_close(outputs[0].usage, outputs[1].usage)
        assert torch.equal(outputs[0].ids, outputs[1].ids) is not training


def test_samples_differ_between_steps(latents):
    quantizer = build(GumbelQuantizer).train()
    quantizer.temperature = 5.0
    assert not torch.equal(forward(quantizer, latents, seed=1).ids, forward(quantizer, latents, seed=2).ids)
    assert torch.equal(forward(quantizer, latents, seed=1).ids, forward(quantizer, latents, seed=1).ids)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 2)])
def test_masked_mean(shape):
    values = torch.randn(shape)
    active = torch.tensor([True, False, True, True, False, False])
    torch.testing.assert_close(masked_mean(values, active), values[active].mean(0))
    assert not masked_mean(values, torch.zeros(6, dtype=torch.bool)).any()


@pytest.fixture
def grid():
    return FiniteScalarQuantizer((3, 4, 2), WIDTH, 0.5).eval()


def test_every_combination_of_levels_is_a_word(grid):
    ids = torch.arange(24)
    numbers = torch.stack((ids % 3, ids // 3 % 4, ids // 12), -1).float()
    ends = numbers / torch.tensor([2.0, 3.0, 1.0]) * 2 - 1  # each number from -1 to 1
    torch.testing.assert_close(grid.lookup(ids), grid.to_codes(ends))
    assert grid.lookup(ids.view(2, 3, 4)).shape == (2, 3, 4, WIDTH)


def test_numbers_are_rounded_to_the_nearest_level_and_never_beyond(grid):
    grid.to_numbers.weight.data = torch.eye(3, WIDTH)
    grid.to_numbers.bias.data.zero_()
    latents = torch.zeros(4, WIDTH)
    latents[:, :3] = torch.tensor([[-9.0, -9, -9], [9, 9, 9], [0, 0.1, -0.1], [0, -0.1, 0.1]])
    # (3, 4, 2) levels: lowest, highest, the middle, and either side of it where there is none
    assert grid.nearest(latents).tolist() == [0, 23, 1 + 3 * 2, 1 + 3 * 1 + 12]


def test_a_grid_is_written_as_it_is_read(grid, latents):
    output = forward(grid.train(), latents.requires_grad_())
    assert torch.equal(output.ids, grid.nearest(latents))
    torch.testing.assert_close(output.codes, grid.lookup(output.ids))
    gradient = torch.autograd.grad(output.codes.sum(), latents)[0]
    assert gradient.isfinite().all() and gradient.any()


def test_a_grid_counts_the_words_of_active_cubes(grid, latents):
    active = torch.arange(40) < 10
    output = forward(grid.train(), latents, active)
    expected = torch.bincount(output.ids[:10], minlength=24) * 24 / 10
    torch.testing.assert_close(grid.share, (torch.ones(24) + expected) / 2)


@pytest.fixture
def steps():
    torch.manual_seed(4)
    module = ResidualQuantizer((5, 3, 4), WIDTH, 0.0, 0.5).eval()
    for book in module.books:
        torch.nn.init.normal_(book.weight)
    module.log_lengths.data = torch.tensor([0.0, 0.1, -0.2])
    return module


@torch.no_grad()
def test_steps_are_the_slow_formula(steps, latents):
    lengths = [1.0, 0.5 * math.exp(0.1), 0.25 * math.exp(-0.2)]
    words = [F.normalize(book.weight, dim=-1) * length for book, length in zip(steps.books, lengths, strict=True)]
    ids, codes, commitment = [], [], 0.0
    for latent in F.normalize(latents, dim=-1):
        missing, number, code = latent, 0, torch.zeros(WIDTH)
        for stride, said in zip((1, 5, 15), words, strict=True):
            nearest = int((missing - said).square().sum(-1).argmin())
            number, code, missing = number + stride * nearest, code + said[nearest], missing - said[nearest]
            commitment += 5 * float(missing.square().sum()) / len(latents)
        ids.append(number)
        codes.append(code)
    output = forward(steps, latents)
    assert output.ids.tolist() == ids and torch.equal(steps.nearest(latents), output.ids)
    torch.testing.assert_close(output.codes, torch.stack(codes))
    torch.testing.assert_close(steps.lookup(output.ids.view(8, 5)), torch.stack(codes).view(8, 5, WIDTH))
    assert output.commitment.item() == pytest.approx(commitment, rel=1e-4)


def test_steps_learn_and_count_what_is_active(steps, latents):
    active = torch.arange(40) < 10
    output = forward(steps.train(), latents.requires_grad_(), active)
    expected = torch.bincount(output.ids[:10], minlength=60) * 60 / 10
    torch.testing.assert_close(steps.share, (torch.ones(60) + expected) / 2)
    direction = torch.randn(40, WIDTH)
    gradient = torch.autograd.grad((output.codes * direction).sum(), latents, retain_graph=True)[0]
    plain = torch.autograd.grad((F.normalize(latents, dim=-1) * direction).sum(), latents)[0]
    torch.testing.assert_close(gradient, plain)  # straight-through
    output.commitment.backward()
    assert all(book.weight.grad.any() for book in steps.books) and steps.log_lengths.grad.all()


def test_each_step_restarts_its_own_unused_words(latents):
    steps = ResidualQuantizer((6, 6), WIDTH, 0.5, 0.0).train()
    for book in steps.books:
        book.weight.data = torch.ones(6, WIDTH)  # all alike: the first takes everything
    forward(steps, latents)
    for book in steps.books:
        assert len(torch.unique(book.words.round(decimals=4), dim=0)) > 3
