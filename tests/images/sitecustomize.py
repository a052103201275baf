"""Ansible sends modules as archives of source, and Python compiles all of one at each run: half of what a small module costs.

Runs of root keep here what was compiled, by its source. The folder is there in the machines of Molecule alone.
"""

import os
import zipimport

FOLDER = "/var/cache/compiled"
compile_source = zipimport._compile_source


def kept(pathname, source):
    import contextlib
    import hashlib
    import marshal

    inside = pathname.rpartition(".zip")[2]
    path = os.path.join(FOLDER, hashlib.sha256(inside.encode() + source).hexdigest())
    with contextlib.suppress(OSError, EOFError, ValueError), open(path, "rb") as file:
        return marshal.loads(file.read())
    code = compile_source(pathname, source)
    if os.access(FOLDER, os.W_OK):
        spare = f"{path}.{os.getpid()}"
        with open(spare, "wb") as file:
            file.write(marshal.dumps(code))
        os.replace(spare, path)
    return code


zipimport._compile_source = kept
