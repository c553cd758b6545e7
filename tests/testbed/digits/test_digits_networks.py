"""The builders of the embedded pair: what every one must do, and each kind against someone else's code."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import polynomial_kernel, rbf_kernel

from evalshift.errors import ModelError
from evalshift.testbed.digits import networks

CASES = {
    "linear": ("linear", {}),
    "linear-2x2": ("linear", {"size": 2}),
    "nearest": ("nearest", {"prototypes": 30}),
    "nearest-4x4": ("nearest", {"prototypes": 30, "size": 4}),
    "random-features": ("random_features", {"features": 17}),
    "kernel-rbf": ("kernel_machine", {"support": 12, "kernel": "rbf", "gamma": 0.02}),
    "kernel-polynomial": ("kernel_machine", {"support": 12, "kernel": "polynomial", "gamma": 0.02, "degree": 2}),
    "mlp": ("mlp", {"hidden": [9, 5]}),
    "mlp-none-hidden": ("mlp", {"hidden": []}),
    "cnn": ("cnn", {"channels": [3, 5]}),
    "cnn-deep": ("cnn", {"channels": [3, 4, 5, 6]}),
}
KERNEL_TENSORS = ("support", "weights", "intercept")


def build(case):
    """A module whose every tensor is filled with numbers from a seed."""
    builder, arguments = CASES[case]
    module = getattr(networks, builder)(**arguments).eval()
    generator = torch.Generator().manual_seed(sum(map(ord, case)))
    for tensor in module.state_dict().values():
        if tensor.dtype == torch.int64:
            tensor.copy_(torch.arange(len(tensor)) % 10)
        else:
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    return module


def some_images(n, seed=0):
    return torch.randn(n, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(params=CASES)
def module(request):
    return build(request.param)


@torch.inference_mode()
def test_logits_have_one_row_per_image_and_one_column_per_class(module):
    for n in (0, 1, 7):
        logits = module(some_images(n))
        assert logits.shape == (n, 10)
        assert logits.dtype == torch.float32
        assert logits.isfinite().all()


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.sampled_from(sorted(CASES)))
@torch.inference_mode()
def test_predictions_do_not_depend_on_the_batch(sizes, case):
    module, images = build(case), some_images(sum(sizes))
    together = module(images)
    apart = torch.cat([module(batch) for batch in images.split(sizes)])
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-4 * together.abs().max().item())


@torch.inference_mode()
def test_channels_last_gives_the_same_predictions(module):
    images = some_images(6)
    expected = module(images)
    found = module.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@torch.inference_mode()
def test_nothing_stays_behind_on_the_cpu(module):
    """A tensor made on the CPU during the forward pass would make one on the meta device fail."""
    assert module.to("meta")(some_images(3).to("meta")).device.type == "meta"


@torch.inference_mode()
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_work(module, dtype):
    assert module.to(dtype)(some_images(3).to(dtype)).dtype == dtype


def test_all_that_a_method_keeps_is_in_the_state_dict(module):
    tensors = {id(tensor) for tensor in [*module.parameters(), *module.buffers()]}
    assert len(module.state_dict()) == len(tensors)


def test_pixels_are_means_of_squares():
    # 0..63 in rows of 8: the upper left 4×4 square holds rows 0..3 and columns 0..3, mean 8·1.5 + 1.5 = 13.5;
    # 4 columns to the right is +4, 4 rows down is +32
    images = torch.arange(64.0).reshape(1, 1, 8, 8)
    assert networks.Pixels(2)(images).tolist() == [[13.5, 17.5, 45.5, 49.5]]
    assert networks.Pixels(8)(images).tolist() == [list(range(64))]


@torch.inference_mode()
def test_nearest_agrees_with_scipy():
    module, images = build("nearest"), some_images(20)
    state = module.state_dict()
    distance = cdist(images.flatten(1).numpy(), state["classes.prototypes"].numpy(), "sqeuclidean")
    labels = state["classes.labels"].numpy()
    expected = np.stack([-distance[:, labels == digit].min(axis=1) for digit in range(10)], axis=1)
    np.testing.assert_allclose(module(images).numpy(), expected, rtol=1e-5)


@torch.inference_mode()
def test_a_class_without_prototype_is_never_predictioned():
    module = build("nearest")
    module.state_dict()["classes.labels"].fill_(4)
    logits = module(some_images(5))
    assert logits.argmax(dim=1).tolist() == [4] * 5
    assert (logits == -torch.inf).sum() == 45


@torch.inference_mode()
@pytest.mark.parametrize("case", ["kernel-rbf", "kernel-polynomial"])
def test_kernels_agree_with_scikit_learn(case):
    module, images = build(case), some_images(20)
    support, weights, intercept = (module.state_dict()[f"classes.{name}"].numpy() for name in KERNEL_TENSORS)
    pixels = images.flatten(1).numpy()
    if case == "kernel-rbf":
        similarity = rbf_kernel(pixels, support, gamma=0.02)
    else:
        similarity = polynomial_kernel(pixels, support, gamma=0.02, degree=2, coef0=1)
    np.testing.assert_allclose(module(images).numpy(), similarity @ weights + intercept, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_random_cosines_approach_the_rbf_kernel():
    """Products of n random features estimate exp(−γ·|x − y|²) with a standard error of at most √(1/n)."""
    n, gamma, rng = 40_000, 0.01, np.random.default_rng(5)
    cosines = networks.RandomCosines(64, n)
    cosines.frequencies.copy_(torch.from_numpy(rng.normal(0, np.sqrt(2 * gamma), (64, n))))
    cosines.phases.copy_(torch.from_numpy(rng.uniform(0, 2 * np.pi, n)))
    pixels = some_images(6).flatten(1)
    features = cosines(pixels)
    expected = rbf_kernel(pixels.numpy(), gamma=gamma)
    np.testing.assert_allclose((features @ features.T).numpy(), expected, atol=5 / np.sqrt(n))


@pytest.mark.parametrize(
    "module, count",
    [
        (networks.linear(), 64 * 10 + 10),
        (networks.mlp([9, 5]), 64 * 9 + 9 + 9 * 5 + 5 + 5 * 10 + 10),
        (networks.cnn([3, 5]), 9 * 3 + 3 + 9 * 3 * 5 + 5 + 5 * 2 * 2 * 10 + 10),  # 8×8 halved twice is 2×2
        (networks.cnn([1, 1, 1, 1]), 4 * (9 + 1) + 10 + 10),  # 8×8 halved three times is 1×1 and stays so
    ],
    ids=["linear", "mlp", "cnn", "cnn-deep"],
)
def test_networks_have_the_parameters_that_their_widths_say(module, count):
    assert sum(parameter.numel() for parameter in module.parameters()) == count


@pytest.mark.parametrize(
    "make, message",
    [
        (
            lambda: networks.linear(size=3),
            "the images cannot be averaged to this size\n  found:    3\n  expected: 1, 2, 4 or 8",
        ),
        (lambda: networks.mlp(hidden=[8, 0]), "hidden must be positive\n  found:    0\n  expected: 1 or more"),
        (
            lambda: networks.kernel_machine(support=5, kernel="rbff", gamma=1.0),
            'unknown kernel\n  found:    rbff\n  expected: polynomial or rbf\n  fix:      did you mean "rbf"?',
        ),
    ],
    ids=["size", "width", "kernel"],
)
def test_wrong_arguments_fail_when_the_module_is_built(make, message):
    with pytest.raises(ModelError) as caught:
        make()
    assert str(caught.value) == message
