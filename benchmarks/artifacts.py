"""How fast artifacts move: many small ones by MLflow's client, and a large one through the front and directly to the store."""

from __future__ import annotations

from stack import CLIENT_IMAGE, PREFIX, BenchError, Client, Stack, Watch, docker, say

SMALL_COUNT = 200
LIMIT = 900  # seconds for one transfer
CA_FILE = "/run/bench-ca.crt"  # in the client's container
STALL = 20  # seconds that a download by a client with its defaults gets
PATH = "bench/large.bin"
# Prints addresses that need no login, made with the keys of the running server.
PRESIGN = f"""
import os, subprocess, boto3, botocore.config
pid = subprocess.check_output(["systemctl", "show", "--value", "--property", "MainPID", "mlflow"], text=True).strip()
os.environ.update(item.split("=", 1) for item in open(f"/proc/{{pid}}/environ").read().split(chr(0)) if item)
config = botocore.config.Config(signature_version="s3v4", s3={{"addressing_style": "path"}})
client = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1", config=config)
for action in ("put_object", "get_object", "delete_object"):
    print(client.generate_presigned_url(action, Params={{"Bucket": "mlflow", "Key": "{PATH}"}}, ExpiresIn=7200))
"""


def small_files(client: Client, stack: Stack) -> list[dict]:
    """Files of 1 MB by log_artifacts and download_artifacts; rows with MB/s."""
    env = {
        "MLFLOW_TRACKING_URI": stack.url,
        "MLFLOW_TRACKING_USERNAME": stack.user,
        "MLFLOW_TRACKING_PASSWORD": stack.password,
        "MLFLOW_TRACKING_SERVER_CERT_PATH": CA_FILE,
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }

    def call(*argv: str, **options) -> list[str]:
        """The words of the last line."""
        return client.container.call(*argv, **options).splitlines()[-1].split()

    client.container.call("sh", "-c", "cat >" + CA_FILE, text=stack.ca)
    argv = ("/opt/client/bin/python", "/bench/client.py")
    # A client with its defaults follows the server's hint to fetch files from the store itself, which it may not reach.
    run_id = call(*argv, "up", "1", env=env, limit=LIMIT)[0]
    try:
        call("timeout", str(STALL), *argv, "down", run_id, env=env)
        default = "works"
    except BenchError:
        default = f"fails or stalls for {STALL} s"
    say(f"  {stack.kind:6} download by a client with its defaults: {default}")
    rows = [{"what": "a download by a client with its defaults", "result": default}]
    env["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "false"
    run_id, seconds = call(*argv, "up", str(SMALL_COUNT), env=env, limit=LIMIT)
    rows.append({"what": f"{SMALL_COUNT} x 1 MB up, MLflow client", "mb_per_s": round(SMALL_COUNT / float(seconds), 1)})
    (seconds,) = call(*argv, "down", run_id, env=env, limit=LIMIT)
    rows.append({"what": f"{SMALL_COUNT} x 1 MB down, MLflow client", "mb_per_s": round(SMALL_COUNT / float(seconds), 1)})
    return rows


def transfer(stack: Stack, network: str, config: str, size: int | None) -> dict:
    """One request by curl in a container on that network: a PUT of `size` bytes, or a GET. The config holds address and login."""
    upload = f"truncate -s {size} /large && set -- -T /large && " if size else ""
    script = f'set --; {upload}exec curl --silent --show-error --http1.1 --max-time {LIMIT} --output /dev/null --config - "$@"'
    config += 'write-out = "%{http_code} %{time_total} %{size_upload} %{size_download}"\n'
    stack.container.call("sync")
    try:
        output = docker("run", "--rm", "--interactive", "--network", network, CLIENT_IMAGE, "sh", "-c", script, text=config, limit=LIMIT + 60)
    except BenchError as exc:
        return {"error": str(exc).splitlines()[-1]}
    status, seconds, sent, received = output.split()
    if not status.startswith("2"):
        return {"error": f"HTTP {status} after {float(seconds):.0f} s"}
    return {"mb_per_s": round(max(float(sent), float(received)) / float(seconds) / 1e6, 1)}


def large_file(stack: Stack, size: int) -> list[dict]:
    """One file up and down, through the front and directly; rows with MB/s, nginx's spool and the growth of MLflow in MB."""
    urls = stack.container.call(stack.python, "-", text=PRESIGN).split()
    put, get, delete = (f'url = "{url}"\n' for url in urls)
    front = f'url = "{stack.url}/api/2.0/mlflow-artifacts/artifacts/{PATH}"\nheader = "Authorization: {stack.authorization}"\ninsecure\n'
    # The store listens where only its own machine reaches it: the direct transfers share that machine's network.
    inside = f"container:{stack.container.name}"
    rows = []
    for what, network, config, amount in (
        ("up through the front", PREFIX, front, size),
        ("down through the front", PREFIX, front, None),
        ("up directly", inside, put, size),
        ("down directly", inside, get, None),
    ):
        before = stack.look()
        with Watch(stack.container, 0.5) as watch:
            result = transfer(stack, network, config, amount)
        used = stack.processor_seconds(before)
        row = {"what": f"{size / 1e9:g} GB {what}", **result, "spooled_mb": watch.highest["spooled_mb"], **used}
        row["growth_mb"] = round(watch.highest["pss_mb"] - before["pss_mb"], 1)
        rows.append(row)
        speed = row.get("error") or f"{row['mb_per_s']} MB/s"
        say(f"  {stack.kind:6} {row['what']}: {speed}, nginx spooled {row['spooled_mb']} MB, MLflow grew {row['growth_mb']} MB")
    transfer(stack, inside, delete + 'request = "DELETE"\n', None)
    stack.container.call("sync")
    return rows


def measure(client: Client, stack: Stack, quick: bool) -> list[dict]:
    """Small and large files on one stack, or with `quick` only one that is not so large; returns the rows of `artifacts`."""
    return large_file(stack, 512_000_000) if quick else small_files(client, stack) + large_file(stack, 5_000_000_000)
