"""What MLflow itself has encrypted: whether a server could read it, and that one with other keys can: in each version that we have a lock for."""

from __future__ import annotations

import json

import pytest
import testbed

PASSPHRASE, WEBHOOK_KEY = "the right passphrase of the server", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
NEW_PASSPHRASE, NEW_WEBHOOK_KEY = "another passphrase of the server", f"Yg{WEBHOOK_KEY[2:]}"
READ = """
import sys
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.dbmodels.models import SqlGatewaySecret
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
from mlflow.utils.crypto import KEKManager, _decrypt_secret
uri = "sqlite:///" + sys.argv[1]
with Tracking(uri, "/srv/artifacts").ManagedSessionMaker() as session:
    row = session.query(SqlGatewaySecret).one()
    print(_decrypt_secret(row.encrypted_value, row.wrapped_dek, KEKManager(), row.secret_id, row.secret_name))
print(Registry(uri).list_webhooks()[0].secret)
"""
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


@pytest.mark.parametrize(("machine", "version"), [("debian12", testbed.OLD), ("debian13", testbed.NEW)], indirect=["machine"])
def test_what_is_stored_is_encrypted_with_other_keys(machine, version):
    file = f"/srv/rekeyed-{version}.db"
    python = f"{testbed.ENVIRONMENTS}/{version}/bin/python"
    machine.host.check_output("rm -f %s", file)
    former = f"MLFLOW_CRYPTO_KEK_PASSPHRASE='{PASSPHRASE}' MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY={WEBHOOK_KEY} MLFLOW_DISABLE_TELEMETRY=true"
    machine.host.check_output(f"{former} {python} -c %s %s", STORE, file)
    database = {"driver": "sqlite", "login_db": file, "virtualenv": f"{testbed.ENVIRONMENTS}/{version}"}
    keys = {"crypto_passphrase": NEW_PASSPHRASE, "webhook_secret_key": NEW_WEBHOOK_KEY}
    both = {**database, **keys, "former_crypto_passphrase": PASSPHRASE, "former_webhook_secret_key": WEBHOOK_KEY}
    before = machine.run("mlflow_db_info", both)
    assert before["former_secrets"] == 2
    assert [kind["readable"] for kind in before["secrets"].values()] == [0, 0]
    for check, changed in ((True, True), (False, True), (False, False)):
        answer = machine.run("mlflow_stored_secrets", both, check=check)
        assert (answer["changed"], list(answer["encrypted"].values())) == (changed, [int(changed)] * 2)
        assert not [secret for secret in (PASSPHRASE, WEBHOOK_KEY, *keys.values()) if secret in json.dumps(answer)]
    after = machine.run("mlflow_db_info", both)
    assert after["former_secrets"] == 0
    assert [kind["readable"] for kind in after["secrets"].values()] == [1, 1]
    environment = f"MLFLOW_CRYPTO_KEK_PASSPHRASE='{NEW_PASSPHRASE}' MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY={NEW_WEBHOOK_KEY} MLFLOW_DISABLE_TELEMETRY=true"
    assert machine.host.check_output(f"{environment} {python} -c %s %s", READ, file).splitlines() == ["{'api_key': 'x'}", "s"]
