"""Whether clusters can be what they are taken for: their number, volume, share of the brain and place.

The limits come from published lesions and from the test of the TV paper; a result beyond them says more about the
scans, their preparation or the model than about the patient.
"""

from collections.abc import Sequence

import numpy as np

from nnunet_tv.brain.atlas import OUTSIDE
from nnunet_tv.inference.clusters import Cluster
from nnunet_tv.preparation.provenance import Provenance
from nnunet_tv.registration.template import TEMPLATE_GRID, load_template
from nnunet_tv.utils.numbers import counted, fixed

#: More clusters than this are implausible. In the TV paper (arXiv 2510.06276, Table 1) a patient has 3.2 false clusters
#: after the filter in the mean, and 22 with plain Dice and no filter. If they follow a geometric distribution, 20 or
#: more of them occur in (3.2 / 4.2)^20 = 0.4 % of patients.
MOST_CLUSTERS = 20
#: A larger volume of all clusters is implausible: the lesions of 40 consecutive patients with FCD, segmented by hand,
#: had 0.128 to 94.62 ml (Besson & Bernasconi, "Small FCD lesions are located at the bottom of a sulcus", American
#: Epilepsy Society 2006, abstract PH.09).
MOST_ML = 100.0
#: The same as a share of the brain, for small heads: 94.62 ml are 8 % of an adult's 1200 ml.
MOST_OF_BRAIN = 0.1


def check_findings(clusters: Sequence[Cluster], *, brain_ml: float | None) -> tuple[str, ...]:
    """Reasons to doubt the clusters of a patient; `brain_ml` is the volume of the brain, None if unknown."""
    flags = []
    if len(clusters) > MOST_CLUSTERS:
        flags.append(f"{counted(len(clusters), 'cluster')} found (expected at most {MOST_CLUSTERS}): doubt the scans, "
                     "their preparation and the model; do not examine the clusters one by one")
    ml = sum(cluster.volume_mm3 for cluster in clusters) / 1000
    share = None if brain_ml is None else ml / brain_ml
    if ml > MOST_ML or (share or 0) > MOST_OF_BRAIN:
        of_brain = "" if share is None else f", {100 * share:.0f} % of the brain"
        expected = f"at most {MOST_ML:.0f} ml" + ("" if share is None else f" and {100 * MOST_OF_BRAIN:.0f} %")
        flags.append(f"the clusters have {fixed(ml)} ml in all{of_brain} (expected {expected}; the largest published "
                     "FCD has 95 ml): this is no FCD; look at the scans and their preparation")
    if outside := [cluster.rank for cluster in clusters if OUTSIDE in cluster.remarks]:
        ranks = ", ".join(map(str, outside[:5])) + (" ..." if len(outside) > 5 else "")
        flags.append(f"{counted(len(outside), 'cluster')} (rank {ranks}) outside of the brain: look at the brain mask")
    return tuple(flags)


def brain_volume_ml(record: Provenance) -> float | None:
    """Volume of the patient's brain: of the mask, else the template's in the patient; None without registration."""
    measured = record.metrics.get("brain volume_ml")
    if measured is not None or record.registration == "none":
        return measured
    return (float(np.count_nonzero(load_template().brain.data)) * TEMPLATE_GRID.voxel_mm3 / 1000
            / record.t1_to_template.volume_ratio)
