"""Show what noise looks like on photographs of 12 megapixels: a photograph, and a plain wall, where eyes find it first.

    python experiments/wall.py OUT [--methods targeted robust-targeted] [--epsilons 8 15]

protects both as `workbench protect` does and writes experiments/results/photos_visibility.csv (PSNR in dB, SSIM at full
size and scaled to a screen's 1,000 pixels) and photos_visibility.png (as a screen shows them). The photograph is
scikit-learn's flower, enlarged; the wall is drawn: a shade, and what a sensor adds.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_sample_image
from torchmetrics.functional.image import structural_similarity_index_measure

from workbench import figures
from workbench.apps.photos.protect import protect
from workbench.config import ProtectConfig
from workbench.data.measures import measure
from workbench.export.write import to_tensor
from workbench.files.atomic import make
from workbench.files.pictures import read_exact

RESULTS = Path(__file__).parent / "results"
WIDTH, HEIGHT, SCREEN = 4000, 3000, 1000  # pixels
SENSOR = 2.0  # standard deviation of a sensor's noise, pixel values of 255


def main() -> None:
    """Draw, protect, measure, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--methods", nargs="+", default=["targeted", "robust-targeted"])
    parser.add_argument("--epsilons", type=int, nargs="+", default=[8, 15])
    arguments = parser.parse_args()
    folder = arguments.out / "originals" / "me"
    make(folder)
    for name, pixels in {"photograph": photograph(), "wall": wall()}.items():
        Image.fromarray(pixels).save(folder / f"{name}.png", compress_level=1)
    shown, rows = {"original": folder}, []
    for method in arguments.methods:
        for epsilon in arguments.epsilons:
            copies = arguments.out / f"{method}-{epsilon}"
            protect(folder.parent, copies, ProtectConfig(method=method, epsilon=epsilon))
            shown[f"{method}, ε = {epsilon}"] = copies / "me"
            for name in ("photograph", "wall"):
                before, after = (read(one / f"{name}.png") for one in (folder, copies / "me"))
                small = [scaled(one) for one in (before, after)]
                psnr = measure(before[None], after[None])[0].psnr
                scores = {"ssim_full": ssim(before, after), "ssim_screen": ssim(*small)}
                rows.append({"photo": name, "method": method, "epsilon": epsilon, "psnr": psnr, **scores})
    table = pd.DataFrame(rows).round(4)
    table.to_csv(RESULTS / "photos_visibility.csv", index=False, lineterminator="\n")
    (RESULTS / "photos_visibility.png").write_bytes(figures.png(drawn(shown)))
    print(table.to_string(index=False))


def photograph() -> np.ndarray:
    """scikit-learn's flower at 12 megapixels: uint8 H×W×3."""
    return np.asarray(
        Image.fromarray(load_sample_image("flower.jpg")).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    )


def wall() -> np.ndarray:
    """A light wall that darkens to a corner, with a sensor's noise: uint8 H×W×3."""
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    shade = (215 - 35 * x - 25 * y)[..., None] + np.array([4, 0, -8])
    grain = np.random.default_rng(0).normal(0, SENSOR, shade.shape)
    return (shade + grain).round().clip(0, 255).astype(np.uint8)


def read(path: Path) -> torch.Tensor:
    """A picture as uint8 3×H×W."""
    return to_tensor(read_exact(path))


def scaled(photo: torch.Tensor) -> torch.Tensor:
    """As a screen shows it: uint8 3×750×1000."""
    picture = Image.fromarray(photo.permute(1, 2, 0).numpy())
    return to_tensor(np.asarray(picture.resize((SCREEN, SCREEN * HEIGHT // WIDTH), Image.Resampling.LANCZOS)))


def ssim(before: torch.Tensor, after: torch.Tensor) -> float:
    """SSIM of the brightness, at the size that the pictures have."""
    grey = [one.float().mean(0)[None, None] for one in (before, after)]
    return float(structural_similarity_index_measure(grey[1], grey[0], data_range=255.0))


def drawn(shown: dict[str, Path]) -> Figure:
    """Both photos as a screen shows them, one column per noise."""
    figure = Figure(figsize=(2.6 * len(shown), 4.2), layout="constrained")
    grid = figure.subplots(2, len(shown))
    for column, (title, folder) in enumerate(shown.items()):
        for row, name in enumerate(("photograph", "wall")):
            axis = grid[row, column]
            axis.imshow(scaled(read(folder / f"{name}.png")).permute(1, 2, 0).numpy())
            axis.set_axis_off()
            if not row:
                axis.set_title(title)
    return figure


if __name__ == "__main__":
    main()
