import numpy as np

from dotaliver.measurement.necrosis import cold_cores


def shell(inside):
    tumour = np.zeros((9, 9, 9), dtype=bool)
    tumour[1:8, 1:8, 1:8] = True
    tumour[3:6, 3:6, 3:6] = False
    return np.where(tumour, 20.0, inside), tumour


def test_an_enclosed_place_below_normal_liver_is_a_core():
    uptake, tumour = shell(2.0)
    core = cold_cores(uptake, tumour, 5.0)
    assert core.sum() == 27
    assert not (core & tumour).any()


def test_enclosed_parenchyma_is_no_core():
    uptake, tumour = shell(6.0)
    assert not cold_cores(uptake, tumour, 5.0).any()


def test_without_a_normal_liver_every_enclosed_place_is_a_core():
    uptake, tumour = shell(6.0)
    assert cold_cores(uptake, tumour, None).sum() == 27


def test_a_place_that_opens_to_the_outside_is_no_core():
    uptake, tumour = shell(2.0)
    tumour[0:4, 4, 4] = False
    assert not cold_cores(uptake, tumour, 5.0).any()
