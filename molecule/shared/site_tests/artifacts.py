"""Runs with a client's Python: what MLflow's client stores comes back as it was, whatever its size and its name. Says the version and where it was stored.

Argument: the size of the largest file in MB.
"""

import hashlib
import pathlib
import random
import sys
import tempfile

import mlflow
from mlflow.artifacts import download_artifacts

PART = 8 * 2**20
# Also what a web server or a store could take for something else than a name, and what one of them might unpack.
SIZES = {"empty": 0, "one byte": 1, "part": PART, "part and one": PART + 1, "ünï☃.txt": 10, "a+b&c=d~!(1)'.json.gz": 10, "n" * 200: 10}


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def main():
    random.seed(1)
    sizes = {**SIZES, "large": int(sys.argv[1]) * 2**20}
    work = pathlib.Path(tempfile.mkdtemp())
    source = work / "source/deep/er é"
    source.mkdir(parents=True)
    for name, size in sizes.items():
        with open(source / name, "wb") as file:
            for start in range(0, size, 2**20):
                file.write(random.randbytes(min(2**20, size - start)))
    mlflow.set_experiment("artifacts")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(work / "source"), "top")
        mlflow.log_text("h\u00e4llo", "note.txt")
        mlflow.log_dict({"a": 1}, "d.json")
    (work / "back").mkdir()
    back = pathlib.Path(download_artifacts(run_id=run.info.run_id, dst_path=str(work / "back")))
    different = [name for name in sizes if digest(source / name) != digest(back / "top/deep/er é" / name)]
    assert not different, f"not as they were: {different}"
    assert (back / "note.txt").read_text() == "h\u00e4llo"
    print("ok", mlflow.__version__, run.info.artifact_uri.partition(":")[0])


if __name__ == "__main__":
    main()
