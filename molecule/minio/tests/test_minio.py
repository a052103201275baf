"""Behaviour of the store: what the limited key can do, what it cannot, and what the server hides."""

import json

import pytest

ROOT = ("storage-root", "r%o@o{{x}} p'a\"s\\s$HOME`id`#;é[1]")
LIMITED = ("mlflow", "k%@:/?#[]'\"\\{}{{ y }} $`é ;")

CLIENT = """
import json, sys
import boto3, urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from minio import MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException
o = json.load(sys.stdin)
ca = o["url"].startswith("https") and "/etc/minio/certs/CAs/ca.crt" or None
c = boto3.client("s3", endpoint_url=o["url"], aws_access_key_id=o["login"][0], aws_secret_access_key=o["login"][1],
                 region_name="us-east-1", verify=ca, config=Config(retries={"total_max_attempts": 1}))
pool = urllib3.PoolManager(ca_certs=ca, retries=False)
a = MinioAdmin(endpoint=o["url"].split("://")[1], credentials=StaticProvider(*o["login"]), secure=bool(ca), http_client=pool)
def run(code):
    try:
        return eval(code)
    except ClientError as exc:
        return exc.response["Error"]["Code"]
    except MinioAdminException as exc:
        return json.loads(exc._body)["Code"]
print(json.dumps([run(code) for code in o["codes"]], default=str))
"""


@pytest.fixture(scope="module")
def call(host):
    """Run expressions with a signed client on the host; their answers, or the code of the error."""
    scheme = "https" if host.file("/etc/minio/certs/public.crt").exists else "http"

    def run(login, *codes):
        data = json.dumps({"url": f"{scheme}://127.0.0.1:9000", "login": login, "codes": codes})
        return json.loads(host.check_output("printf %%s %s | /opt/minio/tools/bin/python -c %s", data, CLIENT))

    return run


def test_limited_key_does_what_mlflow_does(call):
    put, again, listed, got, deleted = call(
        LIMITED,
        "c.put_object(Bucket='mlflow', Key='a/b', Body=b'1').get('ETag')",
        "c.put_object(Bucket='mlflow', Key='a/b', Body=b'22').get('ETag')",
        "[o['Key'] for o in c.list_objects_v2(Bucket='mlflow', Prefix='a/')['Contents']]",
        "c.get_object(Bucket='mlflow', Key='a/b')['Body'].read().decode()",
        "c.delete_object(Bucket='mlflow', Key='a/b')['DeleteMarker']",
    )
    assert put != again
    assert (listed, got, deleted) == (["a/b"], "22", True)


def test_limited_key_uploads_in_parts(call):
    (upload,) = call(LIMITED, "c.create_multipart_upload(Bucket='mlflow', Key='parts')['UploadId']")
    part = f"Bucket='mlflow', Key='parts', UploadId={upload!r}"
    done = f"c.upload_part({part}, PartNumber=1, Body=b'x')['ETag']"
    finish = f"c.complete_multipart_upload({part}, MultipartUpload={{'Parts': [{{'ETag': {done}, 'PartNumber': 1}}]}})['Key']"
    assert call(LIMITED, finish) == ["parts"]


def test_limited_key_does_what_tools_that_copy_do(call):
    tags = "{'TagSet': [{'Key': 'k', 'Value': 'v'}]}"
    answers = call(
        LIMITED,
        "c.put_object(Bucket='mlflow', Key='tagged', Body=b'1', Tagging='a=b')['ResponseMetadata']['HTTPStatusCode']",
        "c.get_object_tagging(Bucket='mlflow', Key='tagged')['TagSet'][0]['Value']",
        f"c.put_object_tagging(Bucket='mlflow', Key='tagged', Tagging={tags})['ResponseMetadata']['HTTPStatusCode']",
        "c.delete_object_tagging(Bucket='mlflow', Key='tagged')['ResponseMetadata']['HTTPStatusCode']",
        "c.get_object_attributes(Bucket='mlflow', Key='tagged', ObjectAttributes=['ObjectSize'])['ObjectSize']",
    )
    assert answers == [200, "b", 200, 204, 1]


def test_versions_are_kept_and_safe_from_the_limited_key(call):
    put = "c.put_object(Bucket='mlflow', Key='kept', Body=b{!r}).get('ETag')"
    call(LIMITED, put.format("old"), put.format("new"))
    (versions,) = call(ROOT, "[v['VersionId'] for v in c.list_object_versions(Bucket='mlflow', Prefix='kept')['Versions']]")
    assert len(versions) >= 2
    which = f"Bucket='mlflow', Key='kept', VersionId={versions[1]!r}"
    objects = {"Objects": [{"Key": "kept", "VersionId": versions[1]}]}
    assert call(LIMITED, f"c.delete_object({which})", f"c.delete_objects(Bucket='mlflow', Delete={objects!r})['Errors'][0]['Code']") == ["AccessDenied"] * 2
    assert call(ROOT, f"c.get_object({which})['Body'].read().decode()") == ["old"]


def test_limited_key_is_refused_everything_else(call):
    codes = [
        "c.list_objects_v2(Bucket='other')",
        "c.put_object(Bucket='other', Key='k', Body=b'1')",
        "c.get_object(Bucket='other', Key='k')",
        "c.create_bucket(Bucket='third')",
        "c.delete_bucket(Bucket='mlflow')",
        "c.put_bucket_versioning(Bucket='mlflow', VersioningConfiguration={'Status': 'Suspended'})",
        "c.put_bucket_policy(Bucket='mlflow', Policy='{}')",
        "a.user_add('intruder', 'intruder-secret')",
        "a.policy_info('mlflow')",
        "a.policy_set('consoleAdmin', user='mlflow')",
        # Keys that outlive a new secret, and another secret for itself.
        "a.add_service_account(access_key='intruder', secret_key='intruder-secret')",
        "a.user_add('mlflow', 'intruder-secret')",
    ]
    assert dict(zip(codes, call(LIMITED, *codes))) == dict.fromkeys(codes, "AccessDenied")


@pytest.mark.parametrize("login", [("minioadmin", "minioadmin"), (ROOT[0], "minioadmin"), (LIMITED[0], ROOT[1])])
def test_other_logins_are_refused(call, login):
    assert call(login, "c.list_buckets()")[0] in ("InvalidAccessKeyId", "SignatureDoesNotMatch")


def test_anonymous_is_refused(host, call):
    assert call(ROOT, "c.put_object(Bucket='mlflow', Key='private', Body=b'1')['ResponseMetadata']['HTTPStatusCode']") == [200]
    scheme = "https" if host.file("/etc/minio/certs/public.crt").exists else "http"
    fetch = f"import ssl, urllib.request as r; r.urlopen('{scheme}://127.0.0.1:9000/mlflow/private', context=ssl._create_unverified_context())"
    assert "403" in host.run("python3 -c %s", fetch).stderr


def test_policy_users_buckets_and_lifecycle_are_exactly_as_given(call):
    policy, rules, buckets, quotas = call(
        ROOT,
        "json.loads(a.user_info('mlflow'))['policyName']",
        "[(r['ID'], r['NoncurrentVersionExpiration']['NoncurrentDays']) for r in c.get_bucket_lifecycle_configuration(Bucket='mlflow')['Rules']]",
        "[b['Name'] for b in c.list_buckets()['Buckets']]",
        "[json.loads(a.bucket_quota_get(name))['quota'] for name in ('mlflow', 'other')]",
    )
    assert (policy, rules, buckets, quotas) == ("mlflow", [["old-versions", 30]], ["mlflow", "other"], [10 * 2**30, 0])


def test_listens_on_loopback_only(host):
    ports = {"9000", "9001"} if host.file("/etc/minio/certs/public.crt").exists else {"9000"}
    sockets = [line.split()[3].rsplit(":", 1) for line in host.check_output("ss -Hlnt").splitlines()]
    assert {port for address, port in sockets if address == "127.0.0.1"} >= ports
    assert not [address for address, port in sockets if port in ("9000", "9001") and address != "127.0.0.1"]


def test_tls_is_verified_and_plain_http_refused(host):
    if not host.file("/etc/minio/certs/public.crt").exists:
        pytest.skip("this host speaks plain HTTP")
    code = "import ssl, sys, urllib.request as r; r.urlopen(sys.argv[1], context=ssl.create_default_context(cafile=sys.argv[2]))"

    def get(scheme, ca):
        return host.run("python3 -c %s %s %s", code, f"{scheme}://localhost:9000/minio/health/live", ca)

    assert get("https", "/etc/minio/certs/CAs/ca.crt").rc == 0
    assert "CERTIFICATE_VERIFY_FAILED" in get("https", "/etc/ssl/certs/ca-certificates.crt").stderr
    assert "400" in get("http", "/etc/minio/certs/CAs/ca.crt").stderr


def test_sandbox_refuses_writes_outside_the_data(host):
    pid = host.check_output("systemctl show --property MainPID --value minio")
    data = "/srv/drive1" if host.file("/srv/drive1").exists else "/var/lib/minio/data"
    # The server's own view of the files, with more rights than it has: only the sandbox can refuse.
    caps = "+sys_admin,+sys_chroot,+dac_override"
    inside = f"setpriv --reuid minio --regid minio --clear-groups --inh-caps {caps} --ambient-caps {caps} nsenter --target {pid} --mount"
    assert host.run(f"{inside} sh -c 'touch {data}/.sandbox && rm {data}/.sandbox'").rc == 0
    for folder in ("/etc", "/usr/local/bin", "/var/lib", "/opt/minio", "/root"):
        assert "Read-only file system" in host.run(f"{inside} touch {folder}/sandbox-test").stderr, folder
    host.check_output("systemd-analyze security --no-pager --threshold=19 minio.service")
    status = host.check_output(f"cat /proc/{pid}/status")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_what_was_broken_is_mended(host):
    """On one host the side effect has damaged all of this, on the other the role has made it anew."""
    service = host.service("minio")
    assert (service.is_enabled, service.is_running) == (True, True)
    assert host.file("/usr/local/bin/minio").linked_to.startswith("/opt/minio/releases/")
    assert host.file("/opt/minio/tools-requirements.txt").exists
    assert host.user("minio").shell == "/usr/sbin/nologin"
    data = "/srv/drive1" if host.file("/srv/drive1").exists else "/var/lib/minio/data"
    for path, owner, group, mode in (("/etc/minio/minio.env", "root", "root", 0o600), ("/etc/minio", "root", "minio", 0o750), (data, "minio", "minio", 0o750)):
        file = host.file(path)
        assert (path, file.user, file.group, file.mode) == (path, owner, group, mode)


def test_secrets_stay_secret(host):
    pid = host.check_output("systemctl show --property MainPID --value minio")
    assert "MINIO_ROOT_PASSWORD" in host.check_output(f"tr '\\0' '\\n' </proc/{pid}/environ"), "the test looks at the wrong process"
    for secret in (ROOT[1], LIMITED[1]):
        for place in ("cat /proc/[0-9]*/cmdline", "journalctl --no-pager", "grep -rsF --include=* . /opt/minio/tools-requirements.txt /etc/systemd/system"):
            assert secret not in host.run(f"{place} 2>/dev/null").stdout
    assert host.run("su -s /bin/sh nobody -c 'cat /etc/minio/minio.env'").rc != 0
    assert host.run("su -s /bin/sh minio -c 'cat /etc/minio/minio.env'").rc != 0
    assert host.run("su -s /bin/sh nobody -c 'ls /var/lib/minio/data /srv/drive1'").stdout == ""


def test_data_outlives_a_kill(host, call):
    call(LIMITED, "c.put_object(Bucket='mlflow', Key='survivor', Body=b'here').get('ETag')")
    host.check_output("systemctl kill --signal KILL minio && sleep 1 && systemctl restart minio")
    assert call(LIMITED, "c.get_object(Bucket='mlflow', Key='survivor')['Body'].read().decode()") == ["here"]


@pytest.fixture
def small_disk(host):
    """A real filesystem of 16 MB."""
    path = "/mnt/small-disk"
    host.check_output(f"mkdir -p {path} && mount -t tmpfs -o size=16m none {path} && mkdir {path}/drive1")
    yield path
    host.check_output(f"umount {path}")


def test_a_disk_that_is_nearly_full_is_told(host, small_disk):
    """Of folders in braces, too, as the server takes them."""

    def look():
        return host.run(f"setpriv --reuid minio --regid minio --clear-groups python3 /opt/minio/disk.py 85 / '{small_disk}/drive{{1...2}}'")

    host.check_output(f"fallocate -l 13M {small_disk}/artifact")
    assert (look().rc, look().stderr) == (0, "")
    host.check_output(f"fallocate -l 14M {small_disk}/artifact")
    assert look().rc == 1
    assert look().stderr == f"the disk of {small_disk}/drive1 is 88 % full, with 2 MB left\n"


def test_the_disk_is_looked_at_hourly(host):
    """By a unit that what watches units hears of."""
    assert host.service("minio-disk.timer").is_enabled
    assert host.service("minio-disk.timer").is_running
    assert host.run("systemctl start minio-disk").rc == 0
    drop_in = "/run/systemd/system/minio-disk.service.d"
    program = "/usr/bin/python3 /opt/minio/disk.py 1 /"
    host.check_output(f"mkdir -p {drop_in} && printf '[Service]\\nExecStart=\\nExecStart={program}\\n' >{drop_in}/test.conf && systemctl daemon-reload")
    try:
        assert host.run("systemctl start minio-disk").rc != 0
        assert host.run("systemctl is-failed minio-disk").stdout.strip() == "failed"
        assert "the disk of / is" in host.check_output("journalctl --no-pager --unit minio-disk")
    finally:
        host.check_output(f"rm -r {drop_in} && systemctl daemon-reload && systemctl reset-failed minio-disk")


def test_a_full_quota_is_said(call):
    """At once for one file that is larger. What is there in all the server counts now and then."""
    answers = call(
        ROOT,
        "a.bucket_quota_set('other', 2**20)",
        "c.put_object(Bucket='other', Key='small', Body=b'1')['ResponseMetadata']['HTTPStatusCode']",
        "c.put_object(Bucket='other', Key='large', Body=bytes(2**21))",
        "a.bucket_quota_set('other', 0)",
    )
    assert answers[1:3] == [200, "XMinioAdminBucketQuotaExceeded"]
