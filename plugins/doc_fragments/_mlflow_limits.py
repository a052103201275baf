# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# PRIVATE to the collection: no promise is made to other users.

from __future__ import annotations


class ModuleDocFragment:
    """What a module that changes a database waits for. Each says the default of its O(timeout) itself."""

    DOCUMENTATION = r"""
options:
  lock_timeout:
    description:
      - Seconds that a statement waits for a table which another session uses. Without the limit an idle transaction blocks the change, and the change
        everybody else, for ever.
    type: int
    default: 30
  wait_timeout:
    description: Seconds to wait for another change of the same database to end.
    type: int
    default: 300
  timeout:
    description: Seconds until the module is stopped. V(0) waits without limit.
    type: int
"""
