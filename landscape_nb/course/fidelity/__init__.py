"""What the paper says and prints, beside what came out here, with a verdict that a rule gives.

Each statement has a measure (numbers from a gallery's results) and a rule (numbers to a verdict). Only the paper's
side and the reasons are written by hand.
"""

from landscape_nb.course.fidelity.outcomes import Outcome, outcome, table
from landscape_nb.course.fidelity.statements import STATEMENTS, Statement

__all__ = ["STATEMENTS", "Outcome", "Statement", "outcome", "table"]
