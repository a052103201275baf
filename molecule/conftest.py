"""For the tests of all scenarios."""

from __future__ import annotations

import os

MARKERS = {
    # The name of the machine stands in the name of the test.
    "one_machine(name): what is the same on both machines is proven on the one whose name ends so": lambda item, name: f"-{name}" in item.name,
    "no_machine(name): what this machine does not have is proven on the others": lambda item, name: f"-{name}" not in item.name,
    "drill(): takes too long for `make test`; `make drills` runs these alone": lambda item: "MLOPS_DRILLS" in os.environ,
    "one_scenario(name): what is the same in both scenarios of a site is proven in this one": lambda item, name: os.environ["MOLECULE_SCENARIO_NAME"] == name,
}


def pytest_configure(config):
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_collection_modifyitems(config, items):
    for marker, belongs in MARKERS.items():
        marked = {item: item.get_closest_marker(marker.partition("(")[0]) for item in items}
        left = [item for item, found in marked.items() if found and not belongs(item, *found.args)]
        if "MLOPS_DRILLS" in os.environ and marker.startswith("drill"):
            left = [item for item, found in marked.items() if not found]
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)
