#!/usr/bin/env bash
# Makes the end state of site.yml with the same tools, step by step without a question: what a deployment costs at least.
# Configuration files come ready from a machine that site.yml has set up: /root/state.tar.gz, see deploy.py.
# In the environment: PASSWORD, of the login; STATE_NAME, the name of that machine; MLFLOW_VERSION. Prints `STEP name seconds` for every step.
set -euo pipefail
. "$(dirname "$0")/step.sh"

host=$(hostname)
base=/opt/mlflow
minio=/opt/minio
export DEBIAN_FRONTEND=noninteractive UV_NO_CONFIG=1 UV_PYTHON_DOWNLOADS=never

# put PATTERN...: the files of the state whose paths match.
put() {
  local file files
  files=$(tar --extract --gzip --file /root/state.tar.gz --directory / --verbose --wildcards "$@")
  for file in $files; do
    # In regular expressions the name has backslashes.
    if [ -f "/$file" ] && grep -qF "$STATE_NAME" "/$file"; then sed -E -i "s/${STATE_NAME//-/\\\\?-}/$host/g" "/$file"; fi
  done
}

# with_environment PYTHON FILE...: runs the program on its input with the variables of these files, which systemd reads as it does for services.
with_environment() {
  local python=$1
  shift
  cat >/run/bench.py
  {
    printf '[Service]\nType=oneshot\nExecStart=/usr/bin/env PYTHONPATH=/collections %s /run/bench.py\n' "$python"
    printf 'EnvironmentFile=%s\n' "$@"
  } >/run/systemd/system/bench.service
  systemctl daemon-reload
  systemctl start bench || { journalctl --no-pager --unit bench; return 1; }
}

packages() {
  put 'etc/postgresql-common/*' 'root/state/*'
  if [ -z "$(find /var/lib/apt/periodic/update-success-stamp -mmin -60 2>/dev/null)" ]; then apt-get update -qq; fi
  # shellcheck disable=SC2046
  apt-get install -y -qq --no-install-recommends $(cat /root/state/packages) >/dev/null
}

# certificate CA CA_KEY CERTIFICATE KEY ALTERNATIVE_NAMES
certificate() {
  mkdir -p "$(dirname "$3")"
  (
    umask 077
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$2"
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$4"
  )
  openssl req -x509 -key "$2" -days 3650 -subj "/CN=Own CA of $host" -addext basicConstraints=critical,CA:TRUE,pathlen:0 \
    -addext keyUsage=critical,keyCertSign,cRLSign -out "$1"
  openssl req -new -key "$4" -subj "/CN=$host" | openssl x509 -req -CA "$1" -CAkey "$2" -CAcreateserial -days 397 -out "$3" 2>/dev/null \
    -extfile <(printf 'subjectAltName=%s\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n' "$5")
}

database() {
  local version tls=/etc/postgresql/tls/main
  # The socket is for this group.
  groupadd --system mlflow
  usermod --append --groups mlflow postgres
  version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f')
  pg_createcluster --port=5432 --locale=C.UTF-8 --encoding=UTF8 "$version" main -- --data-checksums --auth-local=peer --auth-host=scram-sha-256 >/dev/null
  certificate "$tls/ca.crt" "$tls/ca.key" "$tls/server.crt" "$tls/server.key" "DNS:$host,DNS:localhost,IP:127.0.0.1"
  chown postgres: "$tls/server.key"
  put 'etc/postgresql/*'
  systemctl daemon-reload
  systemctl enable --quiet --now "postgresql@$version-main"
  runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 </root/state/role.sql
}

uv() {
  python3 -m venv "$minio/uv"
  "$minio/uv/bin/pip" install --quiet --require-hashes --requirement /root/state/uv.txt
  mkdir -p "$base"
  cp -a "$minio/uv" "$base/uv"
}

# venv UV FOLDER REQUIREMENTS [option of uv]
venv() {
  "$1/bin/uv" venv --quiet --python python3 "$2"
  "$1/bin/uv" pip sync --quiet --python "$2/bin/python" --link-mode copy --require-hashes "$3" ${4:+"$4"}
}

store() {
  local release
  release=$minio/releases/$(sha256sum /bench-s3-server | cut -c1-16)
  useradd --system --user-group --no-create-home --home-dir /var/lib/minio --shell /usr/sbin/nologin minio
  install -d -o minio -g minio -m 0750 /var/lib/minio /var/lib/minio/data
  install -D -m 0755 /bench-s3-server "$release/minio"
  ln -s "$release/minio" /usr/local/bin/minio
  put 'opt/minio/*' 'etc/minio/*' 'etc/systemd/system/minio*'
  venv "$minio/uv" "$minio/tools" "$minio/tools-requirements.txt" --compile-bytecode
  systemctl daemon-reload
  systemctl enable --quiet --now minio
}

access() {
  put 'etc/mlflow/*'
  with_environment "$minio/tools/bin/python" /etc/mlflow/mlflow.env /etc/minio/minio.env <<'PY'
import os
import boto3
from ansible_collections.mlops.mlflow.plugins.module_utils import _minio_admin
url, user, password = "http://127.0.0.1:9000", os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"]
boto3.client("s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id=user, aws_secret_access_key=password).create_bucket(Bucket="mlflow")
def rule(effect, resource, *actions):
    return {"Effect": effect, "Action": ["s3:" + action for action in actions], "Resource": ["arn:aws:s3:::" + resource]}
rules = [
    rule("Allow", "mlflow", "GetBucketLocation", "ListBucket", "ListBucketMultipartUploads"),
    rule("Allow", "mlflow/*", "GetObject", "PutObject", "DeleteObject", "AbortMultipartUpload", "ListMultipartUploadParts"),
    rule("Deny", "mlflow/*", "DeleteObjectVersion"),
]
admin = _minio_admin.Admin(url, user, password)
admin.put_policy("mlflow", {"Version": "2012-10-17", "Statement": rules})
admin.put_user(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
admin.set_policies("user", os.environ["AWS_ACCESS_KEY_ID"], ["mlflow"])
PY
}

mlflow_venv() {
  put 'opt/mlflow/*'
  venv "$base/uv" "$base/venvs/$MLFLOW_VERSION" "/locks/$MLFLOW_VERSION/server.txt"
  local compile modules
  mapfile -t modules </root/state/compiled
  compile=$(PYTHONPATH=/collections python3 -c 'from ansible_collections.mlops.mlflow.plugins.module_utils import _uv; print(_uv.COMPILE)')
  "$base/venvs/$MLFLOW_VERSION/bin/python" -I -W ignore -c "$compile" "${modules[@]}"
  ln -s "venvs/$MLFLOW_VERSION" "$base/current"
}

schema() {
  cp /etc/postgresql/tls/main/ca.crt /etc/mlflow/backend-ca.crt
  with_environment "$base/current/bin/python" /etc/mlflow/mlflow.env <<'PY'
import os
from mlflow.store.db import utils
utils._initialize_tables(utils.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"]))
PY
}

server() {
  useradd --system --gid mlflow --no-create-home --home-dir /var/lib/mlflow --shell /usr/sbin/nologin mlflow
  install -d -g mlflow -m 0750 /var/lib/mlflow
  install -d -o mlflow -g mlflow -m 0750 /var/lib/mlflow/tmp
  put 'var/lib/mlflow/*' 'etc/systemd/system/mlflow*'
  systemctl daemon-reload
  # shellcheck disable=SC2046
  systemctl enable --quiet --now $(cd /etc/systemd/system && echo mlflow*.service)
}

front() {
  local tls=/etc/ssl/nginx_tls
  certificate "$tls/mlflow-ca.crt" "$tls/mlflow-ca.key" "$tls/mlflow.crt" "$tls/mlflow.key" "DNS:$host"
  chgrp www-data "$tls/mlflow.key"
  chmod 0640 "$tls/mlflow.key"
  usermod --append --groups mlflow www-data
  install -d -o www-data -m 0700 /var/cache/nginx/mlflow_static
  put 'etc/nginx/*' 'etc/systemd/system/nginx*'
  rm -f /etc/nginx/sites-enabled/default
  nginx -t -q
  systemctl daemon-reload
  systemctl enable --quiet nginx
  systemctl restart nginx
}

step packages
step database
step uv
step store
step access
step mlflow_venv
step schema
step server
step front
export MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/ssl/nginx_tls/mlflow-ca.crt MLFLOW_TRACKING_PASSWORD=$PASSWORD
step first_run "$base/current/bin/python" /bench/first_run.py "https://$host" mlflow
