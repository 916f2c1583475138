"""Whether the inputs of a window are still those of the reference, from counts in the same bins. Pure arithmetic."""

from monitoring.drifting.judging import judge
from monitoring.drifting.windows import Binned, EffectFloor, Finding, Reference, Share, binned_of, reference_of

__all__ = ["Binned", "EffectFloor", "Finding", "Reference", "Share", "binned_of", "judge", "reference_of"]
