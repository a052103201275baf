"""MLflow's artifact repository for S3, which also passes an upload on to the store while it arrives.

MLflow's own takes an upload to a temporary file and sends that on when it is complete, which takes the disk of the file and twice the time.
MLflow finds this one by its entry point, and uses what it adds where FastAPI serves artifacts (MLflow 3.15 and newer).
"""

import asyncio
import posixpath
import sys
from concurrent.futures import ThreadPoolExecutor

from boto3.s3.transfer import TransferConfig
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

try:
    from mlflow.store.artifact.artifact_repo import StreamUploadMixin
except ImportError:  # MLflow < 3.15
    StreamUploadMixin = object

# S3 takes 10,000 parts, so that a file may have 80 GB. Of one upload three parts are in memory at most: two on their way, and one that comes in.
PART_SIZE = 8 * 1024 * 1024
CONFIG = TransferConfig(multipart_threshold=PART_SIZE, multipart_chunksize=PART_SIZE, max_concurrency=2)
CONFIG.max_in_memory_upload_chunks = 2
# Uploads of more than one part take a thread each, as long as their clients need. Further ones wait.
THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="s3-upload")


class Body:
    """What comes in on an event loop, to be read in a thread. Ends with an error where the client does, so that nothing incomplete is stored."""

    def __init__(self, chunks):
        self._chunks = chunks.__aiter__()
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self.complete = False

    async def fill(self, size):
        while not self.complete and len(self._buffer) < size:
            try:
                self._buffer += await self._chunks.__anext__()
            except StopAsyncIteration:
                self.complete = True

    async def _take(self, size):
        await self.fill(size)
        part = bytes(self._buffer[:size])
        del self._buffer[:size]
        return part

    def read(self, size=sys.maxsize):
        return asyncio.run_coroutine_threadsafe(self._take(size), self._loop).result()


class Client:
    """Takes the place of boto3's client where MLflow uploads a file: the content comes from a stream instead."""

    def __init__(self, client, stream):
        self._client = client
        self._stream = stream

    def upload_file(self, Filename, **options):
        self._client.upload_fileobj(self._stream, Config=CONFIG, **options)


class StreamingS3ArtifactRepository(S3ArtifactRepository, StreamUploadMixin):
    def log_artifact_from_stream(self, stream, artifact_file_name, artifact_path=None):
        bucket, root = self.parse_s3_compliant_uri(self.artifact_uri)
        name = posixpath.basename(artifact_file_name)
        self._upload_file(Client(self._get_s3_client(), stream), name, bucket, posixpath.join(root, artifact_path or "", name))

    async def log_artifact_from_async_stream(self, chunks, artifact_file_name, artifact_path=None):
        body = Body(chunks)
        # A small file needs no thread until it is there.
        await body.fill(PART_SIZE)
        executor = None if body.complete else THREADS
        await asyncio.get_running_loop().run_in_executor(executor, self.log_artifact_from_stream, body, artifact_file_name, artifact_path)
