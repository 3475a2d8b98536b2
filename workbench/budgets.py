"""What noise and its budget are called where people read it: pixel values of images, decibels of sound."""

QUIETEST = -96  # dB under a clip's peak: budgets of sound, which are known by their sign
USUAL, USUAL_DB = 8, -30
FULL = 2**15 - 1  # of sound: what δ is kept as is a share of the clip's limit, in so many parts
ENVELOPE, MASKED = "envelope", "masked"
SHAPES = ("flat", ENVELOPE, MASKED)
KIND_WORDS = {"classwise": "class-wise", "samplewise": "sample-wise"}


def budget_name(epsilon: int) -> str:
    """A budget in a few signs: "ε = 8", or for sound "-30 dB"."""
    return f"ε = {epsilon}" if epsilon >= 0 else f"{epsilon} dB"


def budget_in_words(epsilon: int) -> str:
    """How far values may move: "±8 of 255", or for sound in dB."""
    return f"±{epsilon} of 255" if epsilon >= 0 else f"{-epsilon} dB under each clip's peak"


def kind_name(kind: str, shape: str) -> str:
    """What tables know noise by whose budget has a shape: "samplewise", "samplewise-envelope"."""
    return kind if shape == SHAPES[0] else f"{kind}-{shape}"


def kind_in_words(name: str) -> str:
    """What people read of such a name: "sample-wise", "sample-wise, envelope"; unknown ones keep their names."""
    kind, _, shape = name.partition("-")
    return ", ".join(filter(None, [KIND_WORDS[kind], shape])) if kind in KIND_WORDS else name
