"""Checks of lesson 2: a reader's function is tried on a tiny problem, and its answer is compared with typical mistakes.

A mistake that is known gets the hint that fits it; any other one is told by what came out.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from workbench import figures
from workbench.config import check_choice
from workbench.files.untrusted import first_line
from workbench.teaching import min_min

Step = Callable[..., Any]
GIVEN: dict[str, Step] = {step.__name__: step for step in (min_min.surrogate_step, min_min.noise_step, min_min.whole)}
EPSILON, STEP, RATE = 8.0, 2.0, 0.5  # pixel values, pixel values, learning rate of the tiny problem
CLOSE = 1e-4

OPEN = "there is still a gap: put your own code in place of the three dots."
UNITS = (
    "the units are mixed up. Here everything counts in pixel values from 0 to 255, so ε is 8 and not 8/255: "
    "nothing is divided by 255."
)
VARIABLE = (
    "this is the gradient of the wrong variable. Ask for the gradient of the loss with respect to `free`, from which "
    "the loss was computed: torch.autograd.grad(loss, free)[0]. Not of the weights, and nothing detached in between."
)
ROWS = (
    "gap 1: the shapes do not fit. There is one noise per class, and delta[y] gives every picture that of its own "
    "class."
)
SHAPE = (
    "the shapes do not fit. The gradient must have the shape of the noise: a gradient of the weights or of the "
    "pictures has another one."
)
ANSWERS = (
    "gap 2: F.cross_entropy takes what the network says first, and then the labels: F.cross_entropy(network(noisy), y)."
)
TUPLE = "gap 3: torch.autograd.grad gives back a tuple, one gradient per variable. Take the first: [0]."
ATTACHED = (
    "the noise that comes back still hangs on the calculation of its gradient, and the loop would stop there. Step "
    "from `delta`, not from `free`."
)
TENSORS = "Python's own function cannot do this with a whole tensor. Tensors have methods of their own: "
UPHILL = (
    "the sign is wrong: this goes up the loss. The noise should make the loss smaller, so it moves against the "
    "gradient."
)
CUT = "Cut them with clamp(-epsilon, epsilon)."
UNBOUND = f"there is no projection: after the step some values are larger than ε. {CUT}"
ONE_SIDE = f"the noise is cut on one side alone, so some values are beyond ε or lost. {CUT}"
UNUSED = (
    "the noise is not added at training: the network learns from the pictures as they are. It must see x plus the "
    "noise of each picture's class, delta[y]."
)


class Problem:
    """Eight pictures of 3×4×4 pixels in three classes, noise that partly lies at the edge of ±ε, a linear network."""

    def __init__(self) -> None:
        draw = torch.Generator().manual_seed(0)
        self.x = torch.randint(20, 236, (8, 3, 4, 4), generator=draw).float()
        self.y = torch.arange(8) % 3
        self.delta = ((torch.rand(3, 3, 4, 4, generator=draw) * 2 - 1) * 1.5 * EPSILON).clamp(-EPSILON, EPSILON)
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
        with torch.no_grad():
            for weights in self.network.parameters():
                weights.copy_(torch.randn(weights.shape, generator=draw) / 500)

    def weights(self) -> Tensor:
        """All weights in a row."""
        return nn.utils.parameters_to_vector(self.network.parameters()).detach()

    def gradient(self) -> Tensor:
        """The gradient of the loss with respect to the noise."""
        free = self.delta.clone().requires_grad_()
        return torch.autograd.grad(functional.cross_entropy(self.network(self.x + free[self.y]), self.y), free)[0]

    def learnt(self, noisy: Tensor, sign: float = 1.0) -> Tensor:
        """The weights after one step on `noisy`; sign -1: up the loss."""
        loss = sign * functional.cross_entropy(self.network(noisy), self.y)
        slopes = torch.autograd.grad(loss, list(self.network.parameters()))
        return self.weights() - RATE * nn.utils.parameters_to_vector(slopes)


def checked(step: Step) -> Step:
    """Say whether a reader's function is right, or give a hint; return it, or the given one as long as it is not.

    step: called surrogate_step, noise_step or whole, else ConfigError.
    """
    found = hint(step)
    name = step.__name__
    if not found:
        figures.say(f"{name}: right. The cells below use yours.")
        return step
    figures.say(f"{name}: not yet; {found}", "Until then the cells below use the one that is given.")
    return GIVEN[name]


def author(*steps: Step) -> str:
    """Name the noise that these functions make: "by-hand" when all are the reader's own, else "given-steps"."""
    return "given-steps" if any(step in GIVEN.values() for step in steps) else "by-hand"


def hint(step: Step) -> str:
    """What is wrong with a reader's function, with a hint; "" when it is right."""
    check_choice("step", step.__name__, GIVEN)
    try:
        return {"surrogate_step": _surrogate, "noise_step": _noise, "whole": _whole}[step.__name__](step)
    except Exception as error:  # whatever a beginner's code may raise
        return _of_error(error, step.__name__)


def _of_error(error: Exception, name: str) -> str:
    line = first_line(error)
    learns = name == "surrogate_step"
    for parts, told in (
        (("llipsis",), OPEN),
        (("does not require grad", "not have been used in the graph", "NoneType"), VARIABLE),
        (("'tuple'",), TUPLE),
        (("__round__", "dtype' object is not callable"), f"{TENSORS}delta.round(), and .to(torch.int8) for the type."),
        (("Boolean value of Tensor",), f"{TENSORS}moved.clamp(-epsilon, epsilon)."),
        (("log_softmax", "'target'", "arget size", "batch_size", "spatial targets"), ANSWERS if learns else SHAPE),
        (("size of tensor", "shape", "dimension"), ROWS if learns else SHAPE),
    ):
        if any(part in line for part in parts):
            return told
    return f"it stops with {type(error).__name__}: {line}"


def _surrogate(step: Step) -> str:
    task = Problem()
    noise, pictures, before, added = task.delta.clone(), task.x.clone(), task.weights(), task.delta[task.y]
    known = [
        (task.learnt(task.x), UNUSED),
        (task.learnt(task.x - added), "the noise is taken away from the pictures. Add it."),
        (task.learnt(task.x + added / 255), UNITS),
        (task.learnt((task.x + added) / 255), UNITS),
        (task.learnt(task.x + added, -1.0), "the network climbs the loss. Its loss is the plain cross-entropy."),
        (before, "the network did not learn: its weights are what they were. Its loss must depend on network(noisy)."),
    ]
    right = task.learnt(task.x + added)
    step(task.network, torch.optim.SGD(task.network.parameters(), lr=RATE), task.x, task.y, noise)
    if not torch.equal(noise, task.delta):
        return "this step changed the noise. Here only the network learns: make a new tensor, change none in place."
    if not torch.equal(pictures, task.x):
        return "this step changed the pictures themselves (+= does that). Make a new tensor: noisy = x + ..."
    other = "the network took another step than down the cross-entropy of network(noisy) and y."
    return _compared(task.weights(), right, known, other)


def _noise(step: Step) -> str:
    task = Problem()
    delta, before = task.delta, task.weights()
    slope = task.gradient()
    move = STEP * slope.sign()
    known = [
        ((delta + move).clamp(-EPSILON, EPSILON), UPHILL),
        (delta + move, f"{UPHILL} And {UNBOUND}"),
        (delta - move, UNBOUND),
        ((delta - move).clamp(max=EPSILON), ONE_SIDE),
        ((delta - move).clamp(min=-EPSILON), ONE_SIDE),
        ((delta - move).clamp(0, EPSILON), ONE_SIDE),
        ((delta - slope.sign()).clamp(-EPSILON, EPSILON), "the size of the step is missing: step * gradient.sign()."),
        (
            (delta - STEP * delta.sign()).clamp(-EPSILON, EPSILON),
            "this steps against the sign of the noise. Take that of the gradient.",
        ),
        ((delta - move).clamp(-EPSILON / 255, EPSILON / 255), UNITS),
        ((delta - move / 255).clamp(-EPSILON, EPSILON), UNITS),
        ((delta - STEP * slope).clamp(-EPSILON, EPSILON), "the step is as large as the slope. Use gradient.sign()."),
        ((-move).clamp(-EPSILON, EPSILON), "the noise begins anew at zero. Step from where it is: delta - ..."),
        (delta, f"the noise did not move. Perhaps {VARIABLE}"),
    ]
    result = step(task.network, task.x, task.y, delta.clone(), STEP, EPSILON)
    if not torch.equal(task.weights(), before):
        return "this step changed the network. Here only the noise moves."
    right = (delta - move).clamp(-EPSILON, EPSILON)
    if isinstance(result, Tensor) and result.shape != right.shape:
        return SHAPE
    other = "the noise is not delta - step · sign(gradient), cut to ±ε."
    found = _compared(result, right, known, other)
    if not found and result.requires_grad:
        return ATTACHED
    if found:
        return found
    half = step(task.network, task.x, task.y, delta.clone(), STEP / 2, EPSILON / 2)
    wanted = (delta - move / 2).clamp(-EPSILON / 2, EPSILON / 2)
    return _compared(half, wanted, [], "a number stands where a name belongs: use step and epsilon as they are given.")


def _whole(step: Step) -> str:
    delta = Problem().delta
    result = step(delta.clone())
    if isinstance(result, Tensor) and result.dtype == torch.uint8:
        return "the type is uint8, which has no numbers below zero. Noise has: take torch.int8."
    if isinstance(result, Tensor) and result.dtype != torch.int8:
        return "the numbers are not of the type int8, one byte each with a sign: .to(torch.int8)."
    known = [
        (
            delta.to(torch.int8),
            "the numbers are cut off, not rounded: 7.9 became 7. Round first, then change the type.",
        ),
        ((delta / 255).round().to(torch.int8), UNITS),
        ((delta * 255).round().to(torch.int8), UNITS),
    ]
    return _compared(result, min_min.whole(delta), known, "the numbers are not those of the noise, rounded.")


def _compared(result: Any, right: Tensor, known: list[tuple[Tensor, str]], other: str) -> str:
    """The hint for the mistake whose result this is; "" for the right result, `other` for any other one."""
    if result is ...:
        return OPEN
    if not isinstance(result, Tensor):
        return f"it gives back {type(result).__name__}, not a tensor."
    found = result.detach().float()
    for expected, told in ((right, ""), *known):
        if found.shape == expected.shape and torch.allclose(found, expected.float(), atol=CLOSE):
            return told
    return other
