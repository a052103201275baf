"""Artifacts by MLflow's clients, and by those who should not get them."""

import json
from pathlib import Path

import pytest
from conftest import MODE, STORE, team_settings

PROGRAM = Path(__file__).with_name("artifacts.py").read_text()
MODELS = Path(__file__).with_name("models.py").read_text()
# Asks for an address as a client does, and says what comes of others like it.
ADDRESSES = f"""
import os, requests
site, store = os.environ["MLFLOW_TRACKING_URI"], "{STORE}"
options = dict(verify="/root/ca.crt", timeout=30, allow_redirects=False)
login = ("mlflow".encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
for name in ("x", "y"):
    assert requests.put(f"{{site}}/api/2.0/mlflow-artifacts/artifacts/addresses/{{name}}", data=name * 5, auth=login, **options).status_code == 200
answer = requests.get(f"{{site}}/api/2.0/mlflow-artifacts/presigned/addresses/x", auth=login, **options).json()
url = answer["url"]
def ask(url, method="GET", **more):
    return requests.request(method, url, **options, **more)
"""


@pytest.fixture(scope="module", params=["2.22.5", "3.12.0", "current"])
def python(request, groups, execute):
    """A Python with that version of MLflow's client."""
    (container,) = groups["client"]
    if request.param == "current":
        return "/opt/client/bin/python"
    folder = f"/opt/client-{request.param}"
    execute(container, "/opt/uv/bin/uv", "venv", "--quiet", "--allow-existing", folder)
    packages = [f"mlflow-skinny=={request.param}", "boto3"]
    env = {"SSL_CERT_FILE": "/usr/local/share/host-ca.crt", "UV_CACHE_DIR": "/var/cache/uv"}
    execute(container, "/opt/uv/bin/uv", "pip", "install", "--quiet", "--python", f"{folder}/bin/python", *packages, env=env)
    return f"{folder}/bin/python"


@pytest.fixture
def presigned():
    if MODE != "presigned":
        pytest.skip("the store of this site has no public name, or clients have keys of it")


@pytest.fixture
def direct():
    if MODE != "direct":
        pytest.skip("clients of this site have no keys of the store")


def test_what_a_client_stores_comes_back_as_it_was(python, client, experiment):
    """From a machine that reaches the web front alone."""
    scheme = "s3" if MODE == "direct" else "mlflow-artifacts"
    assert client(PROGRAM, argv=[python, "-", "64", experiment]).stdout.split()[-3::2] == ["ok", scheme]


@pytest.mark.drill
def test_a_large_file_comes_back_as_it_was(client, experiment):
    client(PROGRAM, argv=["/opt/client/bin/python", "-", "600", experiment], limit=1200)


def test_models_images_and_tables_come_back_as_they_were(client, experiment):
    client(MODELS, argv=["/opt/client/bin/python", "-", experiment])


def test_what_was_stored_in_former_modes_and_buckets_is_there(client):
    """Those that went through the server or by its word, and those that clients with keys have stored themselves."""
    places = json.loads(client(PROGRAM).stdout.splitlines()[-1])
    assert set(places) == {"s3" if MODE == "direct" else "mlflow-artifacts"}


@pytest.mark.usefixtures("direct")
def test_a_key_of_a_team_is_for_its_folder_alone(client, secrets):
    code = """
import boto3, os
from botocore.exceptions import ClientError
store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1")
def ask(action, **options):
    try:
        return getattr(store, action)(Bucket=options.pop("Bucket", "mlflow-before"), **options)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]
def all_of(folder):
    file = {"Key": folder + "/file"}
    return [ask("put_object", Body=b"x", **file), ask("get_object", **file), ask("list_objects_v2", Prefix=folder + "/"), ask("delete_object", **file)]
print(all_of(TEAM), all_of(OTHER), all_of(TEAM + "2"), all_of(TEAM + "/../" + OTHER))
print(ask("list_objects_v2"), ask("list_objects_v2", Prefix=TEAM[:-1]), ask("list_objects_v2", Bucket="other"), ask("get_bucket_policy"))
# The header of a copy goes nowhere.
ask("put_object", Key=OTHER + "/secret", Body=b"secret")
copied = ask("copy_object", Key=TEAM + "/copy", CopySource=f"mlflow-before/{OTHER}/secret")
print(copied, b"secret" in store.get_object(Bucket="mlflow-before", Key=TEAM + "/copy")["Body"].read() if copied == 200 else False)
"""
    for team, other in (("vision", "speech"), ("speech", "vision")):
        lines = client(f"TEAM, OTHER = {team!r}, {other!r}{code}", env=team_settings(secrets, team)).stdout.splitlines()
        assert lines[0].startswith("[200, 200, 200, 204] [403, 403, 403, 403] [403, 403, 403, 403] ")
        assert lines[1] == "403 403 403 403"
        assert lines[2].endswith("False")


@pytest.mark.usefixtures("direct")
def test_a_client_without_the_key_of_the_team_is_told_so(client, secrets, experiment):
    code = f"import mlflow; mlflow.set_experiment({experiment!r}); mlflow.log_text('x', 'x.txt')"
    done = client(code, env=team_settings(secrets, "speech"), check=False)
    assert done.returncode != 0
    assert "AccessDenied" in done.stderr or "Access Denied" in done.stderr


def test_uploads_beside_downloads_are_all_stored(client):
    """One after the other on connections that stay open, and of unknown size, which MLflow itself takes in every mode."""
    code = """
from concurrent.futures import ThreadPoolExecutor
import os, requests
site, login = os.environ["MLFLOW_TRACKING_URI"], ("mlflow".encode(), os.environ["MLFLOW_TRACKING_PASSWORD"].encode())
files = f"{site}/api/2.0/mlflow-artifacts/artifacts/beside"
def work(number):
    client = requests.Session()
    client.verify, client.auth = "/root/ca.crt", login
    client.put(f"{files}/{number}", data=b"first", timeout=30).raise_for_status()
    lost = []
    for name in range(15):
        body = f"{number} {name}".encode()
        first = client.get(f"{files}/{number}", timeout=30).content
        status = client.put(f"{files}/{number}-{name}", data=iter([body]), timeout=30).status_code
        if (first, status, client.get(f"{files}/{number}-{name}", timeout=30).content) != (b"first", 200, body):
            lost.append([name, status])
    return lost
print([lost for lost in ThreadPoolExecutor(6).map(work, range(6)) if lost])
"""
    assert client(code).stdout.strip() == "[]"


def test_nothing_stays_behind_at_mlflow(groups, execute):
    for host in groups["mlflow_server"]:
        assert execute(host, "find", "/var/lib/mlflow/tmp", "-mindepth", "2", "!", "-name", "db_init_lock-*").stdout == ""


def test_what_is_no_file_is_not_found(client):
    code = """
for name in ("addresses/none", "addresses"):
    answer = ask(f"{site}/api/2.0/mlflow-artifacts/artifacts/{name}", auth=login)
    print(answer.status_code, answer.json()["error_code"])
"""
    assert client(ADDRESSES + code).stdout.splitlines() == ["404 RESOURCE_DOES_NOT_EXIST"] * 2


def test_a_name_that_the_store_does_not_take_is_refused(client):
    """With a status on which no client tries again. What does not say its size goes through MLflow in every mode."""
    code = """
for body in (b"x", iter([b"x"])):
    answer = ask(f"{site}/api/2.0/mlflow-artifacts/artifacts/addresses/{'n' * 256}", "PUT", data=body, auth=login)
    print(answer.status_code, "name" in answer.json()["message"])
"""
    known, unknown = client(ADDRESSES + code).stdout.splitlines()
    assert known in ("400 True", "507 True")
    assert unknown == "400 True"


def test_a_range_beyond_the_end_is_none(client):
    code = """
answer = ask(f"{site}/api/2.0/mlflow-artifacts/artifacts/addresses/x", auth=login, headers={"Range": "bytes=1000-"})
print(answer.status_code, answer.text if answer.ok else answer.json()["message"])
"""
    # MLflow itself knows no ranges.
    assert client(ADDRESSES + code).stdout.strip() in ("200 xxxxx", "416 The range is beyond the end of the file.")


@pytest.mark.usefixtures("presigned")
def test_an_address_is_good_for_what_it_was_signed_for(client):
    code = """
print(url.startswith(store + "/mlflow/addresses/x?"), ask(url).text)
# A browser sends the login of the site along, and the store has none of it.
print(ask(url, auth=login).text)
print([ask(other).status_code for other in (url[:-4] + "0000", url.replace("/x?", "/y?"), url.replace("X-Amz-Expires=300", "X-Amz-Expires=301"))])
print([ask(url, method, data=b"z").status_code for method in ("PUT", "POST", "DELETE")])
parts = f"{site}/api/2.0/mlflow-artifacts/mpu"
part = requests.post(f"{parts}/create/addresses/z", json={"path": "z", "num_parts": 1}, auth=login, **options).json()
copy = part["credentials"][0]["url"]
print(ask(copy, "PUT", headers={"x-amz-copy-source": "/mlflow/addresses/y"}).headers["ETag"])
requests.post(f"{parts}/abort/addresses/z", json={"path": "z", "upload_id": part["upload_id"]}, auth=login, **options).raise_for_status()
"""
    lines = client(ADDRESSES + code).stdout.splitlines()
    # The last is the checksum of nothing: the header went nowhere.
    assert lines == ["True xxxxx", "xxxxx", "[403, 403, 403]", "[403, 403, 403]", '"d41d8cd98f00b204e9800998ecf8427e"']


@pytest.mark.usefixtures("presigned")
def test_nothing_else_of_the_store_is_open(client):
    code = """
signed = "X-Amz-Signature=" + "0" * 64
paths = ["/", "/mlflow", "/mlflow/", "/mlflow/addresses/x", "/minio/health/live"]
paths += [path + signed for path in ("/mlflow?list-type=2&", "/other/x?", "/minio/admin/v3/info?")]
print({ask(store + path).status_code for path in paths})
import http.client, ssl
def raw(path):
    connection = http.client.HTTPSConnection(store.removeprefix("https://"), context=ssl.create_default_context(cafile="/root/ca.crt"), timeout=30)
    connection.request("GET", path)
    return connection.getresponse().status
paths = ("/mlflow/../minio/admin/v3/info", "/mlflow/%2e%2e/other/x", "/other/../mlflow/addresses/x", "//mlflow/addresses/x")
print({raw(path + "?" + signed) for path in paths})
print(ask(site + "/mlflow/addresses/x").status_code)
"""
    assert client(ADDRESSES + code).stdout.splitlines() == ["{403}", "{403}", "401"]


@pytest.mark.usefixtures("presigned")
def test_an_address_expires(client, secrets):
    code = f"""
import boto3, time
from botocore.config import Config
keys = dict(aws_access_key_id="mlflow", aws_secret_access_key={secrets["vault_minio_mlflow_secret_key"]!r}, region_name="us-east-1")
signer = boto3.client("s3", endpoint_url=store, config=Config(signature_version="s3v4", s3=dict(addressing_style="path")), **keys)
brief = signer.generate_presigned_url("get_object", Params=dict(Bucket="mlflow", Key="addresses/x"), ExpiresIn=2)
print(ask(brief).text)
time.sleep(3)
print(ask(brief).status_code)
"""
    assert client(ADDRESSES + code).stdout.split() == ["xxxxx", "403"]


@pytest.mark.usefixtures("presigned")
def test_names_lead_to_their_certificate(groups, execute):
    (front,) = groups["nginx_tls"]
    text = execute(front, "openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", "/etc/ssl/nginx_tls/mlflow.crt").stdout
    assert STORE.removeprefix("https://") in text
