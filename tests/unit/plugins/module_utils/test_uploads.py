"""The S3 plugin of MLflow, with stand-ins for MLflow and boto3."""

from __future__ import annotations

import asyncio
import sys
import types

import pytest

MEMBERS = {
    "create_multipart_upload": {"Bucket", "Key", "ContentType"},
    "upload_part": {"Bucket", "Key", "UploadId"},
    "complete_multipart_upload": {"Bucket", "Key", "UploadId"},
    "abort_multipart_upload": {"Bucket", "Key", "UploadId"},
}


class Shape(types.SimpleNamespace):
    """A shape of botocore whose parts are found by name."""


class Store:
    """As much of boto3's client as the plugin asks for."""

    def __init__(self):
        self.files, self.open, self.sizes = {}, {}, []
        etag = Shape(member=Shape(members={"ETag", "PartNumber"}))
        members = {name: {**dict.fromkeys(keys), "MultipartUpload": Shape(members={"Parts": etag})} for name, keys in MEMBERS.items()}
        self.meta = Shape(
            method_to_api_mapping={name: name for name in MEMBERS},
            service_model=Shape(operation_model=lambda name: Shape(input_shape=Shape(members=members[name]))),
            config=Shape(request_checksum_calculation="when_required", s3=None),
            endpoint_url="https://store",
        )

    def create_multipart_upload(self, Bucket, Key, ContentType):
        self.open[Key] = {}
        return {"UploadId": Key}

    def upload_part(self, Bucket, Key, UploadId, PartNumber, Body):
        self.open[UploadId][PartNumber] = bytes(Body.read())
        self.sizes.append(len(self.open[UploadId][PartNumber]))
        return {"ETag": str(PartNumber), "ResponseMetadata": {}}

    def complete_multipart_upload(self, Bucket, Key, UploadId, MultipartUpload):
        parts = self.open.pop(UploadId)
        assert [part["PartNumber"] for part in MultipartUpload["Parts"]] == sorted(parts)
        self.files[Key] = b"".join(parts[part["PartNumber"]] for part in MultipartUpload["Parts"])

    def abort_multipart_upload(self, Bucket, Key, UploadId):
        del self.open[UploadId]

    def upload_fileobj(self, stream, Bucket, Key, **_options):
        self.files[Key] = stream.read()


class Repository:
    """As much of MLflow's repository as the plugin builds on."""

    artifact_uri = "s3://bucket/root"

    def __init__(self):
        self.store = Store()

    def _get_s3_client(self):
        return self.store

    @staticmethod
    def parse_s3_compliant_uri(uri):
        return tuple(uri.removeprefix("s3://").split("/", 1))

    @staticmethod
    def _upload_file(s3_client, local_file, bucket, key):
        s3_client.upload_file(Filename=local_file, Bucket=bucket, Key=key, ExtraArgs={"ContentType": "text/plain"})


class Answer(Exception):
    """An error of the store, as botocore has it."""

    def __init__(self, code):
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


class Refusal(Exception):
    def __init__(self, message, error_code):
        super().__init__(message)


@pytest.fixture
def plugin(monkeypatch, server_file):
    def module(name, **content):
        monkeypatch.setitem(sys.modules, name, types.SimpleNamespace(**content))

    for name in ("boto3", "boto3.s3", "botocore", "mlflow", "mlflow.protos", "mlflow.store"):
        module(name)
    module("botocore.exceptions", ClientError=Answer)
    s3_artifact_repo = types.SimpleNamespace(S3ArtifactRepository=Repository)
    module("mlflow.store.artifact", artifact_repo=types.SimpleNamespace(StreamUploadMixin=type("StreamUploadMixin", (), {})), s3_artifact_repo=s3_artifact_repo)
    module("boto3.s3.transfer", TransferConfig=lambda **_options: types.SimpleNamespace())
    module("mlflow.exceptions", MlflowException=Refusal)
    module("mlflow.protos.databricks_pb2", BAD_REQUEST=3, RESOURCE_DOES_NOT_EXIST=2, TEMPORARILY_UNAVAILABLE=1)
    module("mlflow.store.artifact.s3_artifact_repo", S3ArtifactRepository=Repository)
    monkeypatch.setitem(sys.modules, "mlops_mlflow_handover", server_file("plugins/mlops_mlflow_handover.py"))
    loaded = server_file("plugins/mlops_mlflow_s3.py")
    loaded.PART_SIZE, loaded.BEGINNING, loaded.SMALL, loaded.PATIENCE = 1000, 100, 20, 0.2
    return loaded


async def chunks(*parts, then=None):
    for part in parts:
        yield part
    if then:
        await then.wait()


@pytest.mark.parametrize("step", [7, 300, 2700])
@pytest.mark.parametrize("size", [0, 50, 999, 1000, 1001, 3000, 12345])
def test_an_upload_arrives_whole(plugin, size, step):
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    repository = plugin.StreamingS3ArtifactRepository()
    stream = (content[i : i + step] for i in range(0, size, step))
    asyncio.run(repository.log_artifact_from_async_stream(chunks(*stream), "a.txt", "folder"))
    assert repository.store.files == {"root/folder/a.txt": content}
    # All but the last are of one size, as some stores want it.
    assert set(sorted(repository.store.sizes, reverse=True)[:-1]) <= {1000}
    assert (plugin.Place.taken, plugin.Body.filling, repository.store.open) == (0, {}, {})


def refuse(code):
    def answer(*_arguments, **_options):
        raise Answer(code)

    return answer


@pytest.mark.parametrize(
    ("code", "error"),
    [("XMinioAdminBucketQuotaExceeded", Refusal), ("XMinioStorageFull", Refusal), ("KeyTooLongError", Refusal), ("SlowDown", Answer)],
)
@pytest.mark.parametrize(("size", "call"), [(50, "upload_fileobj"), (2500, "upload_part"), (2500, "create_multipart_upload")])
def test_what_the_store_refuses_is_said(plugin, code, error, size, call):
    """By an error on which clients do not try again."""
    repository = plugin.StreamingS3ArtifactRepository()
    setattr(repository.store, call, refuse(code))
    with pytest.raises(error):
        asyncio.run(repository.log_artifact_from_async_stream(chunks(bytes(size)), "a"))
    assert (repository.store.files, repository.store.open, plugin.Place.taken) == ({}, {}, 0)


def test_what_the_store_refuses_is_said_where_boto3_wraps_it(plugin):
    def upload_file(**_options):
        try:
            raise Answer("XMinioAdminBucketQuotaExceeded")
        except Answer as exc:
            raise RuntimeError("Failed to upload") from exc

    repository = plugin.StreamingS3ArtifactRepository()
    repository.store.upload_file = upload_file
    with pytest.raises(Refusal, match="quota is reached"):
        repository._upload_file(repository.store, "/x", "bucket", "a")


@pytest.mark.parametrize(("url", "more"), [("https://store", {"payload_signing_enabled": False}), ("http://store", {})])
def test_parts_are_hashed_where_nothing_else_guards_them(plugin, url, more):
    repository = plugin.StreamingS3ArtifactRepository()
    repository.store.meta.endpoint_url, repository.store.meta.config.s3 = url, {"addressing_style": "path"}
    assert repository._get_s3_client().meta.config.s3 == {"addressing_style": "path", **more}


async def beside_slow_ones(plugin, slow, number):
    """An upload beside others that stop after some bytes: what became of them."""
    repository = plugin.StreamingS3ArtifactRepository()
    end = asyncio.Event()
    others = [asyncio.create_task(repository.log_artifact_from_async_stream(chunks(slow, then=end), f"slow-{number}-{i}")) for i in range(number)]
    await asyncio.sleep(0.3)
    await asyncio.wait_for(repository.log_artifact_from_async_stream(chunks(bytes(2500)), "fast"), 10)
    assert repository.store.files["root/fast"] == bytes(2500)
    refused = sum(other.done() for other in others)
    end.set()
    outcome = await asyncio.gather(*others, return_exceptions=True)
    assert sum(isinstance(result, Refusal) for result in outcome) == refused
    assert len(repository.store.files) == 1 + number - refused
    assert (plugin.Place.taken, plugin.Body.filling, repository.store.open) == (0, {}, {})
    return refused


def test_uploads_that_stop_after_a_part_stop_nobody(plugin):
    assert asyncio.run(beside_slow_ones(plugin, bytes(1001), 100)) == 0


def test_the_slowest_gives_way_when_memory_is_full(plugin):
    # All places are taken, and others wait for one: as many as need it give way.
    assert 1 <= asyncio.run(beside_slow_ones(plugin, bytes(500), plugin.MAX_PLACES)) <= 3


def test_an_upload_that_breaks_off_leaves_nothing(plugin):
    async def broken():
        yield bytes(2500)
        raise ConnectionError

    repository = plugin.StreamingS3ArtifactRepository()
    with pytest.raises(ConnectionError):
        asyncio.run(repository.log_artifact_from_async_stream(broken(), "a"))
    assert (repository.store.files, repository.store.open, plugin.Place.taken) == ({}, {}, 0)


def test_bytes_that_come_one_by_one_take_little_memory(plugin):
    body = asyncio.run(fill_body(plugin, 1000))
    assert len(body) == 1000
    assert bytes(body.take_all()) == b"x" * 1000
    assert plugin.Place.taken == 0


def test_small_beginnings_take_little_memory(plugin):
    body = asyncio.run(fill_body(plugin, 99))
    assert len(body) == 99
    assert len(body._beginning) <= 99 / plugin.SMALL + 1


def test_places_are_kept_for_the_next_ones(plugin):
    places = [plugin.Place() for _number in range(plugin.SPARE_PLACES + 1)]
    for place in places:
        assert place.put(bytes(600)) == b""
        assert place.put(bytes(300) + b"end" * 50) == (b"end" * 50)[100:]
        assert len(place.content()) == 1000
        place.leave()
    assert len(plugin.Place.spare) == plugin.SPARE_PLACES
    assert plugin.Place().size == 0


async def fill_body(plugin, size):
    body = plugin.Body(chunks(*[b"x"] * size))
    await body.fill()
    return body


def test_a_part_is_read_in_large_steps(plugin):
    part = plugin.Part(bytes(3 * plugin.STEP + 1))
    assert [len(part.read(16384)) for _time in range(5)] == [plugin.STEP] * 3 + [1, 0]
    part.seek(1)
    assert len(part.read()) == 3 * plugin.STEP
    assert (part.seek(0, 2), part.tell(), part.seek(0)) == (3 * plugin.STEP + 1, 3 * plugin.STEP + 1, 0)
