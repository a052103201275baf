#!/usr/bin/env bash
# What users' compose guide builds, on one blank Debian machine by a plain script: PostgreSQL, an S3 server, `mlflow server` as it comes
# with four workers, a pool of 5 + 5 and jobs, nginx with htpasswd's default hash and a plain proxy_pass, and TLS.
# In the environment: PASSWORD, of the login. In /bench: see stack.py. Prints `STEP name seconds` for every step.
set -euo pipefail
. "$(dirname "$0")/step.sh"

name=$(hostname)
db_password=$(random_word)
s3_password=$(random_word)
export DEBIAN_FRONTEND=noninteractive

packages() {
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends apache2-utils nginx openssl postgresql python3-venv >/dev/null
}

database() {
  systemctl start postgresql
  runuser -u postgres -- psql -qX -v ON_ERROR_STOP=1 <<SQL
CREATE ROLE mlflow LOGIN PASSWORD '$db_password';
CREATE DATABASE mlflow OWNER mlflow;
SQL
}

store() {
  useradd --system --create-home --home-dir /var/lib/minio minio
  install -m 0755 /bench-s3-server /usr/local/bin/minio
  install -m 0600 /dev/stdin /etc/minio.env <<ENV
MINIO_ROOT_USER=admin
MINIO_ROOT_PASSWORD=$s3_password
ENV
  cat >/etc/systemd/system/minio.service <<'UNIT'
[Unit]
Description=S3 server
[Service]
User=minio
EnvironmentFile=/etc/minio.env
ExecStart=/usr/local/bin/minio server --address 127.0.0.1:9000 /var/lib/minio
Restart=always
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable --quiet --now minio
  S3_PASSWORD=$s3_password /opt/mlflow/bin/python - <<'PY'
import os, boto3, botocore.config
config = botocore.config.Config(retries={"max_attempts": 30, "mode": "standard"})
boto3.client("s3", endpoint_url="http://127.0.0.1:9000", region_name="us-east-1", config=config,
             aws_access_key_id="admin", aws_secret_access_key=os.environ["S3_PASSWORD"]).create_bucket(Bucket="mlflow")
PY
}

server() {
  useradd --system --create-home --home-dir /var/lib/mlflow mlflow
  # nginx stands in front, so the guide switches MLflow's own check of hosts off; otherwise the public name has to be allowed.
  install -m 0600 /dev/stdin /etc/mlflow.env <<ENV
MLFLOW_BACKEND_STORE_URI=postgresql+psycopg2://mlflow:$db_password@127.0.0.1:5432/mlflow
MLFLOW_ARTIFACTS_DESTINATION=s3://mlflow
MLFLOW_DEFAULT_ARTIFACT_ROOT=mlflow-artifacts:/
MLFLOW_S3_ENDPOINT_URL=http://127.0.0.1:9000
AWS_ACCESS_KEY_ID=admin
AWS_SECRET_ACCESS_KEY=$s3_password
AWS_DEFAULT_REGION=us-east-1
MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE=true
MLFLOW_SQLALCHEMYSTORE_POOL_SIZE=5
MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW=5
MLFLOW_SQLALCHEMYSTORE_POOL_RECYCLE=1800
MLFLOW_DISABLE_TELEMETRY=true
ENV
  cat >/etc/systemd/system/mlflow.service <<'UNIT'
[Unit]
Description=MLflow
After=postgresql.service minio.service
[Service]
User=mlflow
WorkingDirectory=/var/lib/mlflow
EnvironmentFile=/etc/mlflow.env
ExecStart=/opt/mlflow/bin/mlflow server --host 127.0.0.1 --port 5000 --workers 4
Restart=always
TimeoutStopSec=5
LimitNOFILE=65536
[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload
  systemctl enable --quiet --now mlflow
}

front() {
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj "/CN=$name" -addext "subjectAltName=DNS:$name" \
    -keyout /etc/nginx/mlflow.key -out /etc/nginx/mlflow.crt 2>/dev/null
  htpasswd -ci /etc/nginx/htpasswd mlflow <<<"$PASSWORD" 2>/dev/null
  rm -f /etc/nginx/sites-enabled/default
  cat >/etc/nginx/conf.d/mlflow.conf <<NGINX
server {
    listen 443 ssl;
    server_name $name;
    ssl_certificate /etc/nginx/mlflow.crt;
    ssl_certificate_key /etc/nginx/mlflow.key;
    client_max_body_size 0;
    auth_basic "MLflow";
    auth_basic_user_file /etc/nginx/htpasswd;
    location / {
        proxy_pass http://127.0.0.1:5000;
        proxy_set_header Host \$host;
        proxy_set_header X-Real-IP \$remote_addr;
        proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto \$scheme;
        proxy_read_timeout 300s;
        proxy_send_timeout 300s;
    }
}
NGINX
  systemctl restart nginx
}

step packages
step database
step mlflow_venv /bench/pip_install.sh /opt/mlflow
step store
step server
step front
export MLFLOW_TRACKING_SERVER_CERT_PATH=/etc/nginx/mlflow.crt MLFLOW_TRACKING_PASSWORD=$PASSWORD
step first_run /opt/mlflow/bin/python /bench/first_run.py "https://$name" mlflow
