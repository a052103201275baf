"""MLflow's artifact repository for S3, which also passes files on while they arrive, up and down, and says at once what is not there.

MLflow's own takes an upload to a temporary file and sends that on when it is complete, which takes the disk of the file and twice the time.
It answers the download of something that does not exist with 500, on which clients try again for minutes, and that of a folder with an empty file.
MLflow finds this one by its entry point, and uses what it adds where FastAPI serves artifacts (MLflow 3.15 and newer). MLflow and boto3 are loaded when it
asks for the repository: the rest can be used without them.
"""

import asyncio
import collections
import contextlib
import functools
import io
import mmap
import os
import posixpath
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

# S3 takes 10,000 parts, so that a file may have 80 GB. Of one upload four parts are in memory at most: three on their way, and one that comes in.
PART_SIZE = 8 * 1024 * 1024
PARTS_ON_THEIR_WAY = 3
STEP = 1024 * 1024
# A part takes a thread while it is on its way to the store, not while it comes in: a slow client costs none.
THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="s3-upload")
# Of all uploads together so many parts have a place in memory, besides beginnings of parts. Some of these places are kept while nobody needs them.
MAX_PLACES = 32
SPARE_PLACES = 4
BEGINNING = 256 * 1024
SMALL = 16 * 1024
# Seconds that a client may take for a part when others wait for its place.
PATIENCE = 30

# The address by which clients reach the store, when they do.
PUBLIC_URL = os.environ.get("MLOPS_S3_PUBLIC_URL")
# MLflow sets this for the processes of a server that passes artifacts on. Such a server sends single files; folders are for its command line.
IS_SERVER = os.environ.get("_MLFLOW_SERVER_SERVE_ARTIFACTS") == "true"


# How stores say that they take no such file: MinIO and Ceph.
FULL = dict.fromkeys(("XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "QuotaExceeded"), "The artifact store is full, or its quota is reached.")
NAMELESS = dict.fromkeys(("KeyTooLongError", "XMinioInvalidObjectName"), "The artifact store takes no file of that name.")
REFUSALS = FULL | NAMELESS


@contextlib.contextmanager
def says_what_the_store_refuses():
    """MLflow makes 500 of what it does not know, on which clients try again for minutes."""
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import BAD_REQUEST

    try:
        yield
    except Exception as exc:
        # boto3's error for the upload of a file has that of the store behind it.
        answers = [getattr(error, "response", None) or {} for error in (exc, exc.__context__)]
        for answer in answers:
            if refusal := REFUSALS.get(answer.get("Error", {}).get("Code")):
                raise MlflowException(refusal, BAD_REQUEST) from exc
        raise


class Place:
    """Memory for a part. It comes from the system and goes back there: what Python's own memory once was, it stays for long."""

    taken = 0
    spare: ClassVar[list[mmap.mmap]] = []

    def __init__(self):
        Place.taken += 1
        self._memory = Place.spare.pop() if Place.spare else mmap.mmap(-1, PART_SIZE)
        self.size = 0

    def put(self, chunk):
        """Returns what has no room."""
        room = PART_SIZE - self.size
        fits, over = chunk[:room], chunk[room:]
        self._memory[self.size : self.size + len(fits)] = fits
        self.size += len(fits)
        return over

    def content(self):
        return memoryview(self._memory)[: self.size]

    def leave(self):
        Place.taken -= 1
        if len(Place.spare) < SPARE_PLACES:
            Place.spare.append(self._memory)
        self._memory = None


class Body:
    """What comes in from a client. Ends with an error where the client does, so that nothing incomplete is stored."""

    filling: ClassVar[dict["Body", float]] = {}  # which of them wait for their clients in a place, and since when

    def __init__(self, chunks):
        self._chunks = chunks.__aiter__()
        self._beginning = []
        self._size = 0
        self._place = None
        self._task = asyncio.current_task()
        self._too_slow = False
        self.complete = False

    def __len__(self):
        return self._size

    async def fill(self):
        """Wait for the next part, or for the end."""
        try:
            while not self.complete and self._size < BEGINNING:
                self._begin(await self._next())
            if not self.complete:
                await self._take_place()
                while not self.complete and self._place.size < PART_SIZE:
                    self._put(await self._next())
        except asyncio.CancelledError:
            if not self._too_slow:
                raise
            from mlflow.exceptions import MlflowException
            from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

            raise MlflowException("The upload was too slow while others waited. Try again.", error_code=TEMPORARILY_UNAVAILABLE) from None
        finally:
            Body.filling.pop(self, None)

    def take(self):
        """A part and its place, or what there is and none."""
        if self._place is None:
            content, self._beginning, self._size = b"".join(self._beginning), [], 0
            return content, None
        place, self._place = self._place, None
        self._size -= place.size
        return place.content(), place

    def take_all(self):
        """The content of a small file, and no place."""
        content, place = self.take()
        if place:
            content = bytes(content)
            place.leave()
        return content

    def close(self):
        if self._place:
            self._place.leave()
        self._place = None

    async def _next(self):
        try:
            return await self._chunks.__anext__()
        except StopAsyncIteration:
            self.complete = True
            return b""

    def _begin(self, chunk):
        self._size += len(chunk)
        # Of very small ones the objects would take more memory than the bytes.
        if self._beginning and len(self._beginning[-1]) < SMALL:
            self._beginning[-1] += chunk
        else:
            self._beginning.append(chunk)

    def _put(self, chunk):
        self._size += len(chunk)
        if over := self._place.put(chunk):
            self._beginning.append(over)

    async def _take_place(self):
        while Place.taken >= MAX_PLACES:
            slowest = min(Body.filling, key=Body.filling.get, default=None)
            if slowest is not None and time.monotonic() - Body.filling[slowest] > PATIENCE:
                slowest._give_way()
            await asyncio.sleep(0.1)
        self._place = Place()
        beginning, self._beginning, self._size = self._beginning, [], 0
        for chunk in beginning:
            self._put(chunk)
        Body.filling[self] = time.monotonic()

    def _give_way(self):
        del Body.filling[self]
        self._too_slow = True
        self._task.cancel()


class Part(io.RawIOBase):
    """Goes to the store in large steps, whoever sends it: 16 kB at a time, as boto3 does, cost another turn of Python's lock each."""

    def __init__(self, content):
        self._content = memoryview(content)
        self._position = 0

    def read(self, size=-1):
        end = len(self._content) if size is None or size < 0 else self._position + max(size, STEP)
        step = self._content[self._position : end]
        self._position += len(step)
        return step

    def seek(self, offset, whence=io.SEEK_SET):
        self._position = offset + (0, self._position, len(self._content))[whence]
        return self._position

    def tell(self):
        return self._position

    def seekable(self):
        return True


class Multipart:
    """Takes the place of boto3's client where MLflow uploads a file: that begins an upload, whose parts come later."""

    def __init__(self, client):
        self._client = client
        self._arguments = {}

    def upload_file(self, Filename, ExtraArgs, **place):
        self._arguments = {**place, **ExtraArgs}
        if self._client.meta.config.request_checksum_calculation == "when_supported":
            self._arguments.setdefault("ChecksumAlgorithm", "CRC32")
        self._arguments["UploadId"] = self._call("create_multipart_upload")["UploadId"]

    def _members(self, method):
        return self._client.meta.service_model.operation_model(self._client.meta.method_to_api_mapping[method]).input_shape.members

    def _call(self, method, **arguments):
        """With what was said at the beginning, as far as this call knows it."""
        known = {key: value for key, value in self._arguments.items() if key in self._members(method)}
        return getattr(self._client, method)(**known, **arguments)

    def send(self, number, part):
        answer = self._call("upload_part", PartNumber=number, Body=Part(part))
        wanted = self._members("complete_multipart_upload")["MultipartUpload"].members["Parts"].member.members
        return {"PartNumber": number, **{key: value for key, value in answer.items() if key in wanted}}

    def complete(self, parts):
        self._call("complete_multipart_upload", MultipartUpload={"Parts": parts})

    def abort(self):
        self._call("abort_multipart_upload")


class Client:
    """Takes the place of boto3's client where MLflow uploads a file: the content comes from a stream instead."""

    def __init__(self, client, stream):
        self._client = client
        self._stream = stream

    def upload_file(self, Filename, **options):
        self._client.upload_fileobj(self._stream, Config=transfer_config(), **options)


@functools.cache
def transfer_config():
    from boto3.s3.transfer import TransferConfig

    config = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE, max_concurrency=2)
    config.max_in_memory_upload_chunks = 2
    return config


class SignsForClients:
    """Takes the place of boto3's client, and signs for the address by which clients reach the store."""

    def __init__(self, client, public):
        self._client = client
        self.generate_presigned_url = public.generate_presigned_url

    def __getattr__(self, name):
        return getattr(self._client, name)


class Upload:
    """A file on its way from a client to its place in the store."""

    def __init__(self, repository, artifact_file_name, artifact_path):
        bucket, root = repository.parse_s3_compliant_uri(repository.artifact_uri)
        name = posixpath.basename(artifact_file_name)
        self._client = repository._get_s3_client
        # In the form of boto3's method, with a client of ours in the place of boto3's.
        self._begin = lambda client: repository._upload_file(client, name, bucket, posixpath.join(root, artifact_path or "", name))

    def send(self, stream):
        self._begin(Client(self._client(), stream))

    async def pass_on(self, chunks):
        body = Body(chunks)
        try:
            await body.fill()
            if body.complete:
                content = body.take_all()
                await asyncio.get_running_loop().run_in_executor(None, self.send, io.BytesIO(content))
            else:
                with says_what_the_store_refuses():
                    await self._send_in_parts(body)
        finally:
            body.close()

    async def _send_in_parts(self, body):
        """Some of them at once, while further ones come in."""
        loop = asyncio.get_running_loop()

        def run(function, *arguments, place=None):
            future = THREADS.submit(function, *arguments)
            if place:
                # A thread goes on when nobody waits for it any more.
                future.add_done_callback(lambda _future: loop.call_soon_threadsafe(place.leave))
            return asyncio.wrap_future(future)

        upload = Multipart(self._client())
        await run(self._begin, upload)
        under_way, sent = collections.deque(), []
        try:
            while body:
                content, place = body.take()
                under_way.append(run(upload.send, len(sent) + len(under_way) + 1, content, place=place))
                if len(under_way) == PARTS_ON_THEIR_WAY:
                    # Where this is cancelled, the part goes on, and the end of it is waited for below.
                    await asyncio.wait([under_way[0]])
                    sent.append(under_way.popleft().result())
                await body.fill()
            sent += [await future for future in under_way]
            await run(upload.complete, sent)
        except BaseException:
            await asyncio.gather(*under_way, return_exceptions=True)
            await run(upload.abort)
            raise


@functools.cache
def repository():
    """The class that MLflow makes its repositories of."""
    import mlops_mlflow_handover
    from botocore.exceptions import ClientError
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST
    from mlflow.store.artifact import artifact_repo, s3_artifact_repo
    from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

    @contextlib.contextmanager
    def missing_is_said(path):
        try:
            yield
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in ("404", "NoSuchKey", *NAMELESS):
                raise
            raise MlflowException(f"No file of that name: {path}", RESOURCE_DOES_NOT_EXIST) from exc

    class StreamingS3ArtifactRepository(S3ArtifactRepository, getattr(artifact_repo, "StreamUploadMixin", object)):  # MLflow < 3.15 has no such mixin
        def _get_s3_client(self):
            client = super()._get_s3_client()
            # TLS sees to it that nothing changes on the way. A checksum of each part besides costs both ends a tenth of their time.
            if client.meta.endpoint_url.startswith("https:"):
                client.meta.config.s3 = {**(client.meta.config.s3 or {}), "payload_signing_enabled": False}
            if not PUBLIC_URL:
                return client
            keys = {name: getattr(self, f"_{name}") for name in ("access_key_id", "secret_access_key", "session_token")}
            return SignsForClients(client, s3_artifact_repo._get_s3_client(s3_endpoint_url=PUBLIC_URL, **keys))

        def _is_directory(self, artifact_path):
            """A server asks this before each download. It has no use for the answer, and the store one call less."""
            return not IS_SERVER and super()._is_directory(artifact_path)

        def download_artifacts(self, artifact_path, dst_path=None):
            order = mlops_mlflow_handover.ORDER.get()
            if order is None:
                return super().download_artifacts(artifact_path, dst_path)
            if not (name := posixpath.basename(artifact_path)):
                raise MlflowException(f"No file of that name: {artifact_path}", RESOURCE_DOES_NOT_EXIST)
            bucket, root = self.parse_s3_compliant_uri(self.artifact_uri)
            order.client = super()._get_s3_client()
            with missing_is_said(artifact_path):
                order.download_file(bucket, posixpath.join(root, artifact_path), self._bucket_owner_params)
            if not dst_path:
                # MLflow < 3.15 asks so for some of them. It goes with the order.
                order.folder = tempfile.TemporaryDirectory()
                dst_path = order.folder.name
            # MLflow tells the type of the file by its name.
            path = os.path.join(dst_path, name)
            open(path, "wb").close()
            return path

        def _upload_file(self, s3_client, local_file, bucket, key):
            order = mlops_mlflow_handover.ORDER.get()
            if order is not None:
                order.client = super()._get_s3_client()
            with says_what_the_store_refuses():
                super()._upload_file(order or s3_client, local_file, bucket, key)

        def _download_file(self, remote_file_path, local_path):
            with missing_is_said(remote_file_path):
                super()._download_file(remote_file_path, local_path)

        def log_artifact_from_stream(self, stream, artifact_file_name, artifact_path=None):
            Upload(self, artifact_file_name, artifact_path).send(stream)

        async def log_artifact_from_async_stream(self, chunks, artifact_file_name, artifact_path=None):
            if mlops_mlflow_handover.ORDER.get() is not None:
                self.log_artifact_from_stream(None, artifact_file_name, artifact_path)
                return
            await Upload(self, artifact_file_name, artifact_path).pass_on(chunks)

    return StreamingS3ArtifactRepository


def __getattr__(name):
    if name != "StreamingS3ArtifactRepository":
        raise AttributeError(name)
    return repository()
