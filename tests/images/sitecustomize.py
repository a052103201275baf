"""What Python compiles on the machines of Molecule is kept, by its source, for all of them: what MLflow imports, which is most of its installation,
and what Ansible sends as archives of source and Python would compile at each run, which is half of what a small module costs.

Runs of root write to the folder. It is there in the machines of Molecule alone.
"""

import _frozen_importlib_external as loaders
import os
import sys
import zipimport

FOLDER = "/var/cache/compiled"
FLAVOUR = loaders.MAGIC_NUMBER + bytes([sys.flags.optimize])


def kept(source, path, compile_it):
    """The code of a source: from the folder, or what is to be compiled and kept there."""
    import _imp
    import contextlib
    import hashlib
    import marshal

    file = os.path.join(FOLDER, hashlib.sha256(FLAVOUR + source).hexdigest())
    with contextlib.suppress(OSError, EOFError, ValueError), open(file, "rb") as stream:
        code = marshal.loads(stream.read())
        # The same source lies at many places.
        _imp._fix_co_filename(code, path)
        return code
    code = compile_it()
    with contextlib.suppress(OSError):
        spare = f"{file}.{os.uname().nodename}.{os.getpid()}"
        with open(spare, "wb") as stream:
            stream.write(marshal.dumps(code))
        os.replace(spare, file)
    return code


compile_source = zipimport._compile_source
source_to_code = loaders.SourceLoader.source_to_code


def of_an_archive(path, source):
    return kept(source, path, lambda: compile_source(path, source))


def of_a_file(loader, source, path, **options):
    if not isinstance(source, bytes) or options.get("_optimize", -1) != -1:
        return source_to_code(loader, source, path, **options)
    return kept(source, path, lambda: source_to_code(loader, source, path))


if os.path.isdir(FOLDER):
    zipimport._compile_source = of_an_archive
    loaders.SourceLoader.source_to_code = of_a_file
