"""Runs with a client's Python: what MLflow's client stores comes back as it was, whatever its size and its name. Says the version and where it was stored.

Arguments: the size of the largest file in MB, and an experiment. The checksums stay in /root/stored, by run; without arguments all that they are of is
fetched and compared.
"""

import contextlib
import hashlib
import json
import pathlib
import random
import sys
import tempfile

import mlflow
from mlflow.artifacts import download_artifacts

PART = 8 * 2**20
STORED = pathlib.Path("/root/stored")
# Also what a web server or a store could take for something else than a name, and what one of them might unpack.
SIZES = {"empty": 0, "one byte": 1, "part": PART, "part and one": PART + 1, "ünï☃.txt": 10, "a+b&c=d~!(1)'.json.gz": 10, "n" * 200: 10}


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def different(folder, digests):
    return [name for name, known in digests.items() if digest(folder / name) != known]


@contextlib.contextmanager
def fetched(run_id):
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(download_artifacts(run_id=run_id, dst_path=folder))


def store(size, experiment):
    random.seed(1)
    sizes = {**SIZES, "large": int(size) * 2**20}
    with tempfile.TemporaryDirectory() as work:
        source = pathlib.Path(work, "deep/er é")
        source.mkdir(parents=True)
        for name, size in sizes.items():
            with open(source / name, "wb") as file:
                for start in range(0, size, 2**20):
                    file.write(random.randbytes(min(2**20, size - start)))
        mlflow.set_experiment(experiment)
        with mlflow.start_run() as run:
            mlflow.log_artifacts(work, "top")
            mlflow.log_text("h\u00e4llo", "note.txt")
            mlflow.log_dict({"a": 1}, "d.json")
        digests = {f"top/deep/er é/{name}": digest(source / name) for name in sizes}
    with fetched(run.info.run_id) as back:
        assert not (found := different(back, digests)), f"not as they were: {found}"
        assert (back / "note.txt").read_text() == "h\u00e4llo"
    STORED.mkdir(exist_ok=True)
    (STORED / run.info.run_id).write_text(json.dumps(digests))
    print("ok", mlflow.__version__, run.info.artifact_uri.partition(":")[0])


def compare():
    """What was stored before, in whatever way."""
    places = {}
    for note in STORED.iterdir():
        place = mlflow.get_run(note.name).info.artifact_uri.partition(":")[0]
        with fetched(note.name) as back:
            assert not (found := different(back, json.loads(note.read_text()))), f"{place} {note.name}: not as they were: {found}"
        places[place] = places.get(place, 0) + 1
    print(json.dumps(places))


if __name__ == "__main__":
    if sys.argv[1:]:
        store(*sys.argv[1:])
    else:
        compare()
