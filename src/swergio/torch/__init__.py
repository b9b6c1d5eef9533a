"""
PyTorch: a module as a node, and a process as a differentiable function. ``pip install 'swergio[torch]'``.
"""

from swergio.errors import MissingExtra

try:
    import numpy  # noqa: F401, ICN001 - only to see whether it is there
    import torch  # noqa: F401 - the same
except ImportError as exc:
    raise MissingExtra("swergio.torch needs PyTorch and NumPy", remedy="Run: pip install 'swergio[torch]'") from exc

from swergio.torch.calling import Remote, remote
from swergio.torch.checkpoints import checkpoint
from swergio.torch.serving import serve

__all__ = ["Remote", "checkpoint", "remote", "serve"]
