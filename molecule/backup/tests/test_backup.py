"""What the role backup does with a real database and a real bucket. What spoils a backup uses an unencrypted one in a folder of its own."""

import datetime
import json
import re
import time
from pathlib import Path

import pytest
import yaml

CONFIG = "/etc/mlops-backup/backup.json"
PLAIN = "/srv/plain"


class Loader(yaml.SafeLoader):
    """YAML of Ansible."""


Loader.add_constructor("!unsafe", lambda loader, node: node.value)
VARS = yaml.load((Path(__file__).parent.parent / "vars/all.yml").read_text(), Loader)
SECRETS = [VARS[name] for name in ("test_password", "test_encryption_password", "test_secret_key", "test_text")]
KEY = VARS["test_secret_key"]
CONFIRM = "overwrite-mlflow,overwrite-auth"
# Another word for all that is in a database than the program's own.
DIGEST = r"""
SELECT format('SELECT %L, count(*), md5(string_agg(r::text, chr(10) ORDER BY r::text)) FROM %s r', oid::regclass, oid::regclass)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname \gexec
"""
BUCKET = """
import boto3, hashlib, json, sys
from botocore.exceptions import ClientError
client = boto3.client("s3", endpoint_url="http://127.0.0.1:9000", aws_access_key_id=sys.argv[1], aws_secret_access_key=sys.argv[2], region_name="us-east-1")
pages = client.get_paginator("list_objects_v2").paginate(Bucket="mlflow")
names = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
"""
CHECKSUMS = 'print(json.dumps({name: hashlib.sha256(client.get_object(Bucket="mlflow", Key=name)["Body"].read()).hexdigest() for name in names}))'
# What all processes get as arguments, until a file says that it is enough.
WATCH = """
import glob, os, time
seen = set()
while not os.path.exists("/root/enough"):
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            seen.add(open(path, "rb").read().replace(b"\\0", b" "))
        except OSError:
            pass
    time.sleep(0.003)
open("/root/seen", "wb").write(b"\\n".join(seen))
"""


def psql(host, database, sql):
    return host.check_output("printf %%s %s | runuser -u postgres -- psql -XAt -v ON_ERROR_STOP=1 -d %s", sql, database)


def digests(host):
    return {database: psql(host, database, DIGEST) for database in ("mlflow", "auth")}


def bucket(host, code, key="mlflow"):
    return host.check_output("/opt/minio/tools/bin/python -c %s %s %s", BUCKET + code, key, KEY)


def checksums(host):
    return json.loads(bucket(host, CHECKSUMS))


def write(host, path, text):
    host.check_output("printf %%s %s >%s", text, path)


def program(host, action, config=CONFIG, **request):
    """Run it by hand: what it answers, or nothing, and what it says."""
    done = host.run(f"printf %%s %s | mlops-backup --config {config} {action}", json.dumps(request))
    return json.loads(done.stdout) if done.rc == 0 else None, done.stderr


def succeeds(host, action, config=CONFIG, **request):
    answer, said = program(host, action, config, **request)
    assert answer is not None, said
    return answer


def other(host, name, **changes):
    """A configuration with other values."""
    path = f"/root/{name}.json"
    write(host, path, json.dumps({**json.loads(host.file(CONFIG).content_string), "state_dir": f"/var/lib/mlops-backup/{name}", **changes}))
    return path


def owner(host, *databases):
    """A request to restore with the rights of the owner."""
    uris = json.loads(host.file(CONFIG).content_string)["databases"]
    return {name: uri.replace("mlflow_backup:", "mlflow:") for name, uri in uris.items() if name in (databases or uris)}


def restore(host, config=CONFIG, **changes):
    artifacts = {**json.loads(host.file(CONFIG).content_string)["artifacts"], "access_key_id": "mlflow"}
    request = {"generation": "newest", "databases": owner(host), "artifacts": artifacts, "confirm": CONFIRM, "versions": {"mlflow_version": "3.17.2"}}
    return program(host, "restore", config, **{**request, "only_check": False, **changes})


def metrics(host):
    lines = host.file("/var/lib/mlops-backup/metrics/mlops_backup.prom").content_string.splitlines()
    return {name: float(value) for name, value in (line.split() for line in lines)}


@pytest.fixture(scope="module")
def plain(host):
    """The configuration of an unencrypted destination with one generation, and its name."""
    config = other(host, "plain", encryption={}, secret_files=[], secret_texts={}, destination={"type": "folder", "path": PLAIN})
    return config, succeeds(host, "now", config)["generation"]


def test_timers_catch_up_and_do_not_all_begin_at_once(host):
    for name, action in (("mlops-backup", "now"), ("mlops-backup-check", "check")):
        asked = host.check_output("systemctl show --property=Unit,Persistent,RandomizedDelayUSec,ActiveState,UnitFileState %s.timer", name)
        assert set(asked.split("\n")) == {
            f"Unit=mlops-backup@{action}.service",
            "Persistent=yes",
            "RandomizedDelayUSec=30min",
            "ActiveState=active",
            "UnitFileState=enabled",
        }


def test_an_unchanged_backup_moves_no_artifact(host):
    for _number in range(2):
        host.check_output("systemctl start mlops-backup@now.service")
    found = metrics(host)
    assert found["mlops_backup_last_exit_code"] == 0
    assert abs(found["mlops_backup_last_success_timestamp_seconds"] - time.time()) < 120
    assert found["mlops_backup_last_success_bytes"] > 9 * 2**20
    assert found["mlops_backup_last_success_moved_artifact_bytes"] == 0
    assert found["mlops_backup_last_success_moved_bytes"] < 2**20
    assert len(succeeds(host, "list")["generations"]) == 3
    print({name: value for name, value in found.items() if "bytes" in name or "duration" in name})


def test_check_restores_and_compares(host):
    host.check_output("systemctl start mlops-backup@check.service")
    assert metrics(host)["mlops_backup_check_last_exit_code"] == 0
    # Empty again.
    assert psql(host, "mlflow_check", "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "0"
    assert succeeds(host, "check")["artifacts"] == 50


def test_nothing_can_be_read_without_the_key(host):
    assert host.run("grep -rqaE 'MLmodel|Ölbild|experiments|KEK_PASSPHRASE' /srv/backup").rc == 1
    assert host.run("find /srv/backup | grep -E 'MLmodel|tracking|artifacts'").stdout == ""


def test_secrets_are_in_it(host):
    where = succeeds(host, "fetch newest /root/fetched")["path"]
    host.check_output("tar -xf %s/secrets.tar -C /root/fetched", where)
    assert host.file("/root/fetched/secrets/vault").content_string == VARS["test_text"]
    assert KEY in host.file("/root/fetched/etc/test-secrets.env").content_string
    # Only root may read them.
    assert host.check_output("find /root/fetched -newer %s -perm /077 -type f", CONFIG) == ""


def test_no_secret_is_shown_and_gc_and_upgrades_wait(host):
    """While artifacts are copied, slowly, everybody looks."""
    config = other(host, "slow", bandwidth_limit="3M", destination={"type": "folder", "path": "/srv/slow"})
    write(host, "/root/watch.py", WATCH)
    host.check_output("rm -f /root/enough /root/done; (python3 /root/watch.py >/dev/null 2>&1 &)")
    host.check_output("(mlops-backup --config %s now >/root/slow.out 2>&1; touch /root/done) >/dev/null 2>&1 &", config)
    free = "SELECT pg_try_advisory_lock(7110364022), pg_try_advisory_lock(7110364021)"
    found = []
    while not host.file("/root/done").exists:
        found.append(psql(host, "mlflow", free))
    host.check_output("touch /root/enough; sleep 0.5")
    # gc has to wait all the time, and upgrades for the dump alone.
    assert "f|t" in found
    assert psql(host, "mlflow", free) == "t|t"
    seen = host.check_output("cat /root/seen")
    assert "rclone sync" in seen
    assert "pg_dump --format=custom" in seen
    shown = seen + host.check_output("cat /root/slow.out") + host.check_output("journalctl --output=cat --unit='mlops-backup@*'")
    assert [secret for secret in SECRETS if secret in shown or json.dumps(secret)[1:-1] in shown] == []
    assert host.file(CONFIG).mode == 0o600
    assert host.run("find /var/lib/mlops-backup /srv/backup -type f -perm /044 -not -name mlops_backup.prom").stdout == ""


def test_a_backup_waits_for_gc_and_for_upgrades(host):
    def hold(number):
        host.check_output("(runuser -u postgres -- psql -X -d mlflow -c %s >/dev/null 2>&1 &)", f"SELECT pg_advisory_lock({number}), pg_sleep(600)")

    def let_go(number):
        held = f"locktype = 'advisory' AND granted AND mode = 'ExclusiveLock' AND objid = {number % 2**32}"
        psql(host, "mlflow", f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE {held}")

    locks = (7110364022, 7110364021)
    for number in locks:
        hold(number)
    host.check_output("rm -f /root/done; (mlops-backup now >/root/waited.out 2>&1; touch /root/done) >/dev/null 2>&1 &")
    for number in locks:
        time.sleep(4)
        assert not host.file("/root/done").exists
        let_go(number)
    host.check_output("timeout 60 sh -c 'until [ -e /root/done ]; do sleep 0.2; done'; grep -q generation /root/waited.out")


def test_unit_is_confined(host):
    """In the place of the program, with the rights and the files that it has."""
    folders = ("/etc", "/opt/mlops-backup", "/var/lib/minio", "/root")
    tries = "; ".join(f"touch {folder}/t" for folder in folders)
    tries += "; touch /srv/backup/t && echo may; cat /srv/mine; grep -E 'Cap(Eff|Bnd)|NoNewP|Seccomp:' /proc/self/status"
    host.check_output("echo read >/srv/mine; chown nobody /srv/mine; chmod 600 /srv/mine")
    host.check_output("mkdir -p /run/systemd/system/mlops-backup@sandbox.service.d")
    write(host, "/root/sandbox.sh", tries)
    write(host, "/run/systemd/system/mlops-backup@sandbox.service.d/t.conf", "[Service]\nExecStart=\nExecStart=/bin/sh /root/sandbox.sh\n")
    host.check_output("systemctl daemon-reload; systemctl start mlops-backup@sandbox.service; rm /srv/backup/t")
    said = host.check_output("journalctl --output=cat --unit=mlops-backup@sandbox.service")
    for folder in folders:
        assert re.search(rf"{folder}/t'?: Read-only file system", said), said
    assert "may\n" in said
    assert "read\n" in said
    assert re.search(r"CapEff:\s0000000000000004\s", said), said
    assert re.search(r"NoNewPrivs:\s1", said)
    assert re.search(r"Seccomp:\s2", said)
    host.check_output("systemd-analyze security --no-pager --threshold=20 mlops-backup@now.service")


def test_logins_only_read(host):
    uri = "host=/run/postgresql dbname=mlflow user=mlflow_backup"
    done = host.run("PGPASSWORD=%s psql -X %s -c 'DELETE FROM metrics'", VARS["test_password"], uri)
    assert "permission denied" in done.stderr
    code = """
for call in (lambda: client.put_object(Bucket="mlflow", Key=names[0], Body=b""), lambda: client.delete_object(Bucket="mlflow", Key=names[0])):
    try:
        call()
    except ClientError as exc:
        print(exc.response["Error"]["Code"])
"""
    assert bucket(host, code, "mlflow-backup").split() == ["AccessDenied", "AccessDenied"]


def test_a_restore_is_equal_to_the_moment_of_the_backup(host):
    before, files = digests(host), checksums(host)
    generation = succeeds(host, "now")["generation"]
    psql(
        host,
        "mlflow",
        "DELETE FROM metrics WHERE step > 3; UPDATE experiments SET name = 'changed' || experiment_id; SET ROLE mlflow; CREATE TABLE later (id int)",
    )
    psql(host, "auth", "INSERT INTO users (username, password_hash, is_admin) VALUES ('later', 'x', true)")
    code = """
changed = sorted(names)
client.put_object(Bucket="mlflow", Key=changed[0], Body=b"another content")
client.put_object(Bucket="mlflow", Key="later", Body=b"later")
for name in changed[1:30]:
    client.delete_object(Bucket="mlflow", Key=name)
"""
    bucket(host, code)
    after, gone = digests(host), checksums(host)
    # A later backup moves aside what the first one needs.
    succeeds(host, "now")
    answer, said = restore(host, generation=generation, confirm="overwrite-mlflow")
    assert answer is None
    assert "not empty: auth on the default host. " in said
    assert f"confirm with {','.join(sorted(CONFIRM.split(',')))}\n" in said
    assert restore(host, generation=generation, only_check=True)[0]["generation"] == generation
    assert (digests(host), checksums(host)) == (after, gone)

    answer, said = restore(host, generation=generation)
    assert answer is not None, said
    print("restore:", answer)
    assert digests(host) == before
    assert {name: digest for name, digest in checksums(host).items() if name != "later"} == files
    # What was there in the meantime is not lost.
    points = host.check_output("ls /var/lib/mlops-backup/before-restore").split()
    assert [point for point in points if point.endswith(f"-to-{generation}")] != []


def test_databases_are_as_they_were_when_one_cannot_be_restored(host):
    """When somebody depends on the tables of the second, the first has been restored already."""
    psql(host, "mlflow", "UPDATE experiments SET name = 'since the backup' WHERE experiment_id = 0")
    psql(host, "auth", "CREATE SCHEMA others; CREATE VIEW others.depends AS SELECT * FROM public.users")
    before = digests(host)
    answer, said = restore(host)
    assert answer is None
    assert "The databases are as they were" in said
    assert "depends" in said
    assert digests(host) == before
    psql(host, "auth", "DROP SCHEMA others CASCADE")


def test_another_key_is_refused(host):
    config = other(host, "wrong", encryption={"password": "another-password", "salt": ""})
    for action in ("now", "probe", "prune"):
        answer, said = program(host, action, config)
        assert answer is None
        assert "was encrypted with another password or salt" in said
    before = digests(host)
    answer, said = restore(host, config)
    assert answer is None
    assert "was encrypted with another password or salt" in said
    assert digests(host) == before
    answer, said = program(host, "list", other(host, "wrong", encryption={}))
    assert answer is None
    assert "is encrypted" in said


SPOIL = {
    "truncated": ("truncate -s -1 {}/tracking.dump", "bytes in place of"),
    "a bit": ("printf x | dd of={}/auth.dump bs=1 seek=300 conv=notrunc status=none", "is not what was written"),
    "a file less": ("rm {}/artifacts.json.gz", "lacks artifacts.json.gz"),
    "a later format": ('sed -i \'s/"format": 1/"format": 2/\' {}/manifest.json', "has the format 2, and this version of the collection reads 1"),
    "no manifest": ("rm {}/manifest.json", "there is no generation"),
    "a later MLflow": ("sed -i 's/3.17.2/3.99.0/' {}/manifest.json", "is of mlflow_version 3.99.0, and this is 3.17.2"),
    "a later server": ('sed -i \'s/"server_version": "/&9/\' {}/manifest.json', "use as new a server"),
}


@pytest.mark.parametrize("what", SPOIL)
def test_a_damaged_or_later_generation_is_refused(host, plain, what):
    config, generation = plain
    command, says = SPOIL[what]
    folder = f"{PLAIN}/data/generations/{generation}"
    before = digests(host)
    host.check_output(f"cp -a {folder} /root/whole; {command.format(folder)}")
    answer, said = restore(host, config, generation=generation)
    host.check_output(f"rm -r {folder}; mv /root/whole {folder}")
    assert answer is None
    assert says in said
    assert digests(host) == before


def test_a_damaged_encrypted_generation_is_refused(host):
    before = digests(host)
    host.check_output("cp -a /srv/backup /srv/damaged")
    # The dump of the tracking database is the largest file of the newest generation.
    find = "find /srv/damaged/data -type f -size +100k -size -1000k -printf '%T@ %p\\n' | sort -n | tail -1 | cut -d' ' -f2"
    host.check_output("printf x | dd of=$(sh -c %s) bs=1 seek=5000 conv=notrunc status=none", find)
    answer, said = restore(host, other(host, "damaged", destination={"type": "folder", "path": "/srv/damaged"}))
    assert answer is None
    assert "failed to authenticate decrypted block" in said
    assert digests(host) == before


def test_check_tells_a_damaged_artifact_and_keeps_the_last_success(host, plain):
    config, _generation = plain
    succeeds(host, "check", config)
    success = metrics(host)["mlops_backup_check_last_success_timestamp_seconds"]
    # As long and as old as before.
    spoil = 'for f; do head -c $(stat -c %s "$f") /dev/zero >/root/zeros; touch -r "$f" /root/zeros; cp -p /root/zeros "$f"; done'
    host.check_output("find %s/data/artifacts -name MLmodel -exec sh -c %s sh {} +", PLAIN, spoil)
    answer, said = program(host, "check", config)
    assert answer is None
    assert "differences found" in said
    found = metrics(host)
    assert found["mlops_backup_check_last_exit_code"] == 1
    assert found["mlops_backup_check_last_success_timestamp_seconds"] == success


def test_what_is_over_goes_and_what_is_needed_stays(host, plain):
    _config, generation = plain
    keep = {"daily": 3, "weekly": 0, "monthly": 0, "at_least": 1}
    config = other(host, "prune", encryption={}, destination={"type": "folder", "path": PLAIN}, keep=keep)
    last = datetime.datetime.strptime(generation, "%Y%m%dT%H%M%SZ")
    *names, broken = [(last - datetime.timedelta(days=day)).strftime("%Y%m%dT%H%M%SZ") for day in range(1, 7)]
    for name in (*names, broken):
        host.check_output(f"cd {PLAIN}/data && mkdir -p generations/{name} replaced/{name} && touch generations/{name}/tracking.dump replaced/{name}/file")
    host.check_output(f"cd {PLAIN}/data/generations; for name in {' '.join(names)}; do cp {generation}/manifest.json $name; done")
    assert succeeds(host, "prune", config)["removed"] == sorted(names[2:])
    assert succeeds(host, "list", config) == {"generations": [names[1], names[0], generation], "broken_off": []}
    # What the oldest one may need, later ones have moved aside.
    assert host.check_output(f"ls {PLAIN}/data/replaced").split() == [names[0]]
    host.check_output(f"cd {PLAIN}/data/generations; rm -r {names[0]} {names[1]}")


def test_s3_as_the_destination(host):
    place = {"type": "s3", "endpoint_url": "http://127.0.0.1:9000", "bucket": "backup", "path": "a site", "access_key_id": "backup", "secret_access_key": KEY}
    config = other(host, "s3", destination=place)
    first, second = succeeds(host, "now", config), succeeds(host, "now", config)
    assert first["moved_artifact_bytes"] > 9 * 2**20
    assert second["moved_artifact_bytes"] == 0
    assert succeeds(host, "check", config)["artifacts"] == 50
    before = digests(host)
    psql(host, "mlflow", "DELETE FROM metrics")
    answer, said = restore(host, config)
    assert answer is not None, said
    assert digests(host) == before
    answer, said = program(host, "list", other(host, "s3wrong", destination=place, encryption={"password": "another-password", "salt": ""}))
    assert answer is None
    assert "was encrypted with another password or salt" in said


def test_sqlite_and_a_folder(host):
    rows = "d.executemany('INSERT INTO t VALUES (?)', [(n,) for n in range(99)])"
    make = f"import sqlite3; d = sqlite3.connect('/srv/lite.db'); d.execute('CREATE TABLE t (a)'); {rows}; d.commit()"
    host.check_output("python3 -c %s; mkdir -p /srv/artifacts/1; echo one >/srv/artifacts/1/a; touch --date='1 minute ago' /srv/artifacts/1/a", make)
    databases, artifacts = {"tracking": "sqlite:////srv/lite.db"}, {"type": "folder", "path": "/srv/artifacts"}
    config = other(host, "lite", databases=databases, artifacts=artifacts, check_database="", destination={"type": "folder", "path": "/srv/lite"})
    succeeds(host, "now", config)
    assert succeeds(host, "check", config)["artifacts"] == 1
    host.check_output("python3 -c \"import sqlite3; d = sqlite3.connect('/srv/lite.db'); d.execute('DELETE FROM t'); d.commit()\"; rm -r /srv/artifacts/1")
    answer, said = restore(host, config, databases=databases, artifacts=artifacts, confirm="overwrite-lite.db")
    assert answer is not None, said
    assert host.check_output("python3 -c \"import sqlite3; print(sqlite3.connect('/srv/lite.db').execute('SELECT count(*) FROM t').fetchone()[0])\"") == "99"
    assert host.file("/srv/artifacts/1/a").content_string == "one\n"
