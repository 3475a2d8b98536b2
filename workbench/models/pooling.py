"""Average pooling to a fixed size, also for Apple's GPU, which has it only where that size divides the image's."""

from torch import Tensor, nn
from torch.nn import functional


class AveragePool(nn.Module):
    """PyTorch's adaptive average pooling to side×side; what Apple's GPU refuses is done on the CPU."""

    def __init__(self, side: int):
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        refused = x.device.type == "mps" and any(length % self.side for length in x.shape[2:])
        return functional.adaptive_avg_pool2d(x.cpu() if refused else x, self.side).to(x.device)
