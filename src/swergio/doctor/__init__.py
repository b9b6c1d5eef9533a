"""
What is wrong with a deployment: ``swergio doctor``.
"""

from swergio.doctor.examination import examine
from swergio.doctor.findings import Finding, Outcome

__all__ = ["Finding", "Outcome", "examine"]
