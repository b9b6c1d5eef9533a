"""
JAX: a function with parameters as a node, and a process as a differentiable function. ``pip install 'swergio[jax]'``.
"""

from swergio.errors import MissingExtra

try:
    import jax  # noqa: F401 - only to see whether it is there
except ImportError as exc:
    raise MissingExtra("swergio.jax needs JAX", remedy="Run: pip install 'swergio[jax]'") from exc

from swergio.jax.calling import Remote, remote
from swergio.jax.serving import Served, serve

__all__ = ["Remote", "Served", "remote", "serve"]
