"""Tables of the cohort map."""

from nnunet_tv.reporting.cohort.chance import LEVEL
from nnunet_tv.reporting.cohort.maps import Cohort
from nnunet_tv.reporting.tables.table import Cell, Table


def maps_table(cohort: Cohort) -> Table:
    """How many subjects mark the same voxel, and how many may by chance."""
    rows = tuple(
        (one.group, one.stage, one.n_subjects, one.n_controls, one.n_marked, one.most,
         "none" if one.limit is None else one.limit, len(one.places)) for one in cohort.maps)
    return Table(
        "cohort-maps", "Subjects marked at the same voxel",
        ("Group", "Stage", "Subjects", "of these controls", "Subjects with a cluster", "Most at one voxel",
         "Limit of chance", "Places flagged"), rows,
        notes=(
            "A subject marks a voxel if any of its runs predicts it. cohort/GROUP_STAGE.nii.gz has the number of "
            "subjects at each voxel.",
            "Limit of chance: a place is flagged if at least this many subjects mark the same voxel. By chance each "
            "cluster of a subject would be anywhere in the brain, independently of other subjects; the number of "
            "subjects at a voxel then has the Poisson binomial distribution. The limit is the smallest number k with "
            f"voxels × P(at least k) ≤ {LEVEL:g}, so that the probability of any flag by chance is at most "
            f"{100 * LEVEL:g} % in each map (union bound). None: too few subjects, or too many marks, for any number "
            "to be beyond chance.",
            f"The brain: {cohort.brain}. Marks outside of it count too.",
            "The map is meaningful only if all subjects are registered to one space. It takes equal grids as a sign of "
            "that.",
        ),
    )


def places_table(cohort: Cohort) -> Table:
    """Every flagged place."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.group, one.stage, number, place.n_subjects, one.n_subjects, place.n_false, place.n_controls,
         *place.centroid_mm, place.volume_mm3 / 1000, *([place.region] if _has_regions(cohort) else []))
        for one in cohort.maps for number, place in enumerate(one.places, 1))
    return Table(
        "cohort-places", "Places that more subjects mark than chance allows",
        ("Group", "Stage", "Place", "Marked in", "of subjects", "by a false cluster", "of these controls", "x (mm)",
         "y (mm)", "z (mm)", "Volume (ml)", *(["Region"] if _has_regions(cohort) else [])), rows,
        digits={"x (mm)": 0, "y (mm)": 0, "z (mm)": 0, "Volume (ml)": 2},
        notes=(
            f"A place: voxels that touch ({cohort.connectivity}-connectivity) and that at least as many subjects mark "
            "as the limit of chance. Numbers of subjects: at its most marked voxel. Controls: of the subjects who mark "
            "it, those without a lesion.",
            "By a false cluster: in so many of these subjects, the voxel is in a cluster that hits no lesion (primary "
            "hit rule) in at least one run. This number is the important one: lesions gather in some lobes, so that "
            "patients can be marked at one place correctly; but if false clusters gather, the reason is the model or "
            "the scans: normal anatomy such as a vessel, a border of the field of view, the registration.",
            "x, y, z: centroid in scanner coordinates (RAS+), so x < 0 is left if the scans are straight in the "
            "scanner or in the template's space.",
        ),
    )


def _has_regions(cohort: Cohort) -> bool:
    return any(place.region for one in cohort.maps for place in one.places)
