.DEFAULT_GOAL := help
.PHONY: help demo figures demo-clean test drills lint units sanity contract molecule lock docs build bench bench-clean clean

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## The whole site on one local container, proven by a smoke test
	@scripts/demo.sh up

figures: ## Measure the running demo: second run, memory
	@scripts/figures.sh

demo-clean: ## Remove the demo's container and files
	@scripts/demo.sh clean

test: ## Everything: lint, sanity, unit tests, all Molecule scenarios
	@scripts/setup.sh venv docker images s3 versitygw azurite gcs keycloak oauth2_proxy
	@.venv/bin/python scripts/test.py

drills: ## What is too long for the tests: a site of two MLflow hosts with a long life, upgraded, backed up and restored, every secret replaced, and artifacts of gigabytes in all modes; figures in .build/drills
	@scripts/setup.sh venv docker images s3 versitygw azurite gcs keycloak oauth2_proxy
	@MLOPS_DRILLS=1 .venv/bin/python scripts/test.py mlflow_db_modules site site_all_in_one site_sso drills
	@MLOPS_DRILLS=1 SITE_ARTIFACT_MODE=accelerated .venv/bin/python scripts/test.py site_all_in_one
	@.venv/bin/python scripts/test.py drills_artifacts

lint units sanity contract: ## Only that part of the tests
	@scripts/setup.sh venv
	@.venv/bin/python scripts/test.py $@

molecule: ## One scenario: make molecule S=postgres
	@scripts/setup.sh venv docker images s3 versitygw azurite gcs keycloak oauth2_proxy
	@.venv/bin/python scripts/test.py $(S)

lock: ## Write the lock files anew from their .in files
	@scripts/setup.sh venv
	@scripts/lock.sh

docs: ## Write the variable tables of the roles' READMEs
	@scripts/setup.sh venv
	@.venv/bin/python scripts/role_docs.py

build: ## The tarball for Galaxy
	@scripts/setup.sh venv
	@.venv/bin/ansible-galaxy collection build --force

bench: ## What we deploy against the recipe of the guides: make bench [QUICK=1] [PART=serve] [ROUNDS=3]
	@scripts/setup.sh
	@.venv/bin/python benchmarks/bench.py $(or $(PART),all) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

bench-clean: ## Remove the containers of the benchmark
	@.venv/bin/python benchmarks/bench.py clean

clean: demo-clean ## Remove what the targets made in this checkout
	@rm -rf .ansible .build .venv
