# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import importlib.util
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples everywhere, and no limit in time: machines of CI are slow and shared.
settings.register_profile("everywhere", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("everywhere")


@pytest.fixture
def server_file() -> Callable[[str], types.ModuleType]:
    """Loads a Python file that runs with MLflow's Python on the hosts, anew for each test."""

    def load(path: str) -> types.ModuleType:
        source = Path(__file__).parents[2] / "plugins/module_utils/_mlflow/server" / path
        spec = importlib.util.spec_from_file_location(source.stem, source)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
