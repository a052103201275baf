"""For the tests of all scenarios."""

from __future__ import annotations


def pytest_configure(config):
    config.addinivalue_line("markers", "one_machine(name): what is the same on both machines is proven on the one whose name ends so")


def pytest_collection_modifyitems(config, items):
    """The name of the machine stands in the name of the test."""
    wanted = {item: item.get_closest_marker("one_machine") for item in items}
    left = [item for item, mark in wanted.items() if mark and f"-{mark.args[0]}" not in item.name]
    items[:] = [item for item in items if item not in left]
    config.hook.pytest_deselected(items=left)
