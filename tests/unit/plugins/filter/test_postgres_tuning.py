# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.mlops.mlflow.plugins.filter.postgres_tuning import postgres_tuning


def test_a_machine_of_8_gb_gives_a_quarter():
    assert postgres_tuning(8000, "4", "25", 100) == {
        "effective_cache_size": "1500MB",
        "maintenance_work_mem": "125MB",
        "max_parallel_maintenance_workers": 2,
        "max_parallel_workers": 4,
        "max_parallel_workers_per_gather": 2,
        "max_worker_processes": 8,
        "shared_buffers": "500MB",
        "work_mem": "4740kB",
    }


def test_a_small_machine_gets_what_postgresql_needs():
    tuned = postgres_tuning(500, 1, 1, 10000)
    assert (tuned["shared_buffers"], tuned["effective_cache_size"], tuned["maintenance_work_mem"]) == ("16MB", "64MB", "16MB")
    assert (tuned["work_mem"], tuned["max_parallel_workers_per_gather"]) == ("4096kB", 1)


def test_a_large_machine_stays_below_what_postgresql_takes():
    tuned = postgres_tuning(1_000_000, 64, 90, 100)
    assert (tuned["maintenance_work_mem"], tuned["max_parallel_workers_per_gather"], tuned["max_worker_processes"]) == ("8192MB", 4, 64)
