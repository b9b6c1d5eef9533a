"""
Gradients of components that have none: what a simulator or a person would answer elsewhere tells the slope.

An estimator asks for the outcome at some other inputs, the *probes*, and makes a gradient of the answers. The outcome
is the product weighted with the gradient that came for it: one number, whatever the shape of the product. No probe is
made until a gradient has come.
"""

from swergio.errors import MissingExtra

try:
    import numpy  # noqa: F401, ICN001 - only to see whether it is there
except ImportError as exc:
    raise MissingExtra("swergio.estimators needs NumPy", remedy="Run: pip install 'swergio[numpy]'") from exc

from swergio.estimators.formulas import SPSA, Estimator, FiniteDifferences, ScoreFunction
from swergio.estimators.serving import serve

__all__ = ["SPSA", "Estimator", "FiniteDifferences", "ScoreFunction", "serve"]
