"""
How property tests look for counterexamples.

They look at the same examples in each run, so that a run says something about the change and not about its luck;
``HYPOTHESIS_PROFILE=long`` has them look much longer, and elsewhere each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("short", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=3000, stateful_step_count=80)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
