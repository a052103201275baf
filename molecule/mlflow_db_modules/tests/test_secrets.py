"""What MLflow itself has encrypted, mlflow_db_info can tell whether a server could read it: in each version that we have a lock for."""

from __future__ import annotations

import json

import pytest
import testbed

PASSPHRASE, WEBHOOK_KEY = "the right passphrase of the server", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
STORE = """
import sys
from mlflow.entities.webhook import WebhookAction, WebhookEntity, WebhookEvent
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
uri = "sqlite:///" + sys.argv[1]
Tracking(uri, "/srv/artifacts").create_gateway_secret(secret_name="a", secret_value={"api_key": "x"}, provider="openai")
Registry(uri).create_webhook("hook", "https://1.1.1.1/", [WebhookEvent(WebhookEntity.REGISTERED_MODEL, WebhookAction.CREATED)], secret="s")
"""


@pytest.mark.parametrize(("machine", "version"), [("debian12", testbed.OLD), ("debian13", testbed.NEW)], indirect=["machine"])
def test_keys_are_tried_on_what_is_stored(machine, version):
    file = f"/srv/secrets-{version}.db"
    environment = f"MLFLOW_CRYPTO_KEK_PASSPHRASE='{PASSPHRASE}' MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY={WEBHOOK_KEY} MLFLOW_DISABLE_TELEMETRY=true"
    machine.host.check_output("rm -f %s", file)
    machine.host.check_output(f"{environment} {testbed.ENVIRONMENTS}/{version}/bin/python -c %s %s", STORE, file)
    database = {"driver": "sqlite", "login_db": file, "virtualenv": f"{testbed.ENVIRONMENTS}/{version}"}

    def readable(**keys):
        answer = machine.run("mlflow_db_info", {**database, **keys})
        assert not answer.failed, answer.msg
        assert PASSPHRASE not in json.dumps(answer)
        assert [kind["stored"] for kind in answer["secrets"].values()] == [1, 1]
        return [kind["readable"] for kind in answer["secrets"].values()]

    assert machine.run("mlflow_db_info", database)["secrets"] is None
    assert readable(crypto_passphrase=PASSPHRASE, webhook_secret_key=WEBHOOK_KEY) == [1, 1]
    assert readable(crypto_passphrase=PASSPHRASE, crypto_version=2, webhook_secret_key=WEBHOOK_KEY) == [0, 1]
    assert readable(crypto_passphrase="another passphrase", webhook_secret_key=f"Yg{WEBHOOK_KEY[2:]}") == [0, 0]
    machine.host.check_output("printf %%s %s > /srv/keys.env", f'# made once\nMLFLOW_CRYPTO_KEK_PASSPHRASE="{PASSPHRASE}"\n')
    assert readable(environment_file="/srv/keys.env") == [1, 0]
    assert readable(environment_file="/srv/not-there.env") == [0, 0]
