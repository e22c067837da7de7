from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from gsi_train.bagel.configuration_bagel import BagelConfig
from gsi_train.bagel.modeling_bagel import BagelForConditionalGeneration
from gsi_train.conform_golden import Golden
from tests.gsi_train.bagel.tiny import FOLDER


@pytest.fixture(autouse=True)
def seeded() -> None:
    """The same random pictures whatever ran before."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def golden_folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def golden() -> Golden:
    """The recorded model: do not change it."""
    return Golden.read(FOLDER)


@pytest.fixture
def config(golden: Golden) -> BagelConfig:
    return copy.deepcopy(golden.model.config)


@pytest.fixture
def model(golden: Golden) -> BagelForConditionalGeneration:
    """A copy of the recorded model, to train or spoil."""
    return copy.deepcopy(golden.model).train()
