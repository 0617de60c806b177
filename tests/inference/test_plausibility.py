"""Results that no lesion can explain are flagged, and plausible ones are not."""

from dataclasses import replace

import numpy as np
import pytest
from native_cases import patient

from nnunet_tv.inference.clusters import Cluster
from nnunet_tv.inference.plausibility import brain_volume_ml, check_findings


def clusters(*volumes_ml: float, remarks: str = "") -> list[Cluster]:
    return [Cluster(rank, 1000 * ml, 10, 0, 0, 0, None, None, None, "left", "insula", "insula", 0.9, 0.8, None, remarks)
            for rank, ml in enumerate(volumes_ml, 1)]


@pytest.mark.parametrize("found", [
    (), (0.05,), (94.6,), (0.128, 2.0, 5.0, 0.3), (1.0,) * 20])
def test_what_published_lesions_and_false_clusters_explain_is_not_flagged(found):
    assert check_findings(clusters(*found), brain_ml=1300.0) == check_findings(clusters(*found), brain_ml=None) == ()


@pytest.mark.parametrize(("found", "brain_ml", "text"), [
    ((1150.0, 350.0), 1370.0, "the clusters have 1500 ml in all, 109 % of the brain"),
    ((60.0, 50.0), 1370.0, "110 ml in all, 8 % of the brain"),
    ((80.0,), 700.0, "80 ml in all, 11 % of the brain"),
    ((60.0, 50.0), None, "110 ml in all (expected at most 100 ml;"),
    ((0.1,) * 21, 1370.0, "21 clusters found (expected at most 20)")])
def test_absurd_results_are_flagged(found, brain_ml, text):
    flag, = check_findings(clusters(*found), brain_ml=brain_ml)
    assert text in flag


def test_clusters_outside_the_brain_are_flagged_and_those_at_the_border_are_not():
    flag, = check_findings([*clusters(1.0), *clusters(1.0, 1.0, remarks="outside the brain")[1:]], brain_ml=None)
    assert "1 cluster (rank 2) outside of the brain" in flag
    assert check_findings(clusters(1.0, remarks="at the border of the FLAIR"), brain_ml=None) == ()


def test_the_brain_is_that_of_the_mask_else_the_templates_in_the_patient():
    record = patient().record  # 1.04 times as large in the template as in the patient
    assert brain_volume_ml(record) == pytest.approx(1883 / 1.04**3, rel=0.001)
    assert brain_volume_ml(patient(registration="none").record) is None
    measured = replace(record, details={"metrics": {"brain": {"volume_ml": np.float64(1234.5)}}})
    assert brain_volume_ml(measured) == 1234.5
