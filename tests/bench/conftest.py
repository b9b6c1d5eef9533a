"""The benchmarks are no part of the package: tests find them in the checkout, as whoever runs them there does."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent.parent))
