"""Tests nginx's whole configuration with a new site file, in the confinement that its service will have. Nothing live is touched.

Arguments: a JSON object with `conf_dir`, `conf_name`, `site` (path of the site file), `left_out` (paths that will be gone), `cache_dir`,
`access_log`, `binary`, `service`, `drop_in` (path) and `drop_in_content` (empty: it will be gone); and the file with the new site.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# What of a unit decides what its program may do. How it is started and stopped does not, nor folders that go with it.
CONFINING = re.compile(
    r"(?:User|Group|SupplementaryGroups|UMask|Environment|EnvironmentFile|WorkingDirectory|RootDirectory"
    r"|(?:State|Cache|Logs|Configuration)Directory(?:Mode)?"
    r"|(?:Read(?:Write|Only)|Inaccessible|Exec|NoExec|Bind|BindReadOnly)Paths|TemporaryFileSystem"
    r"|(?:Private|Protect|Restrict|SystemCall|Limit)\w+|ProcSubset"
    r"|CapabilityBoundingSet|AmbientCapabilities|SecureBits|NoNewPrivileges|MemoryDenyWriteExecute"
    r"|LockPersonality|RemoveIPC|KeyringMode|Device(?:Allow|Policy))="
)

PID = re.compile(r"^\s*pid\s[^;]*;", re.MULTILINE)


def settings(text: str) -> list[str]:
    """The confining lines of a unit file."""
    lines, section = [], ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and CONFINING.match(line):
            lines.append(line)
    return lines


def unit_files(service: str, drop_in: Path) -> list[Path]:
    """The files of the unit in the order in which they apply, ours among them. systemd may remember some that are gone."""
    command = ["systemctl", "show", "--value", "--property=FragmentPath", "--property=DropInPaths", f"{service}.service"]
    paths = [Path(word) for word in run(command).stdout.split()]
    return paths[:1] + sorted({*filter(Path.exists, paths[1:]), drop_in}, key=lambda path: path.name)


def stage(wanted: dict, candidate: Path, folder: Path) -> None:
    """The configuration as it will be: links to the live files, a main file that names this folder, and the new site with a cache of its own."""
    live = Path(wanted["conf_dir"])
    shutil.copytree(live, folder, dirs_exist_ok=True, copy_function=lambda source, target: Path(target).symlink_to(source))
    main = folder / wanted["conf_name"]
    site = folder / Path(wanted["site"]).relative_to(live)
    for path in (main, site, *(folder / Path(left).relative_to(live) for left in wanted["left_out"])):
        path.unlink(missing_ok=True)
    text = (live / wanted["conf_name"]).read_text().replace(f"{live}/", f"{folder}/")
    # A test opens the pid file, too, which only the start gives to the user of the service.
    main.write_text(f"pid {folder}/nginx.pid;\n" + PID.sub("", text))
    # nginx makes the folders of caches and the logs even for a test.
    text = candidate.read_text().replace(f"proxy_cache_path {wanted['cache_dir']} ", f"proxy_cache_path {folder}/cache ")
    site.write_text(text.replace(f"access_log {wanted['access_log']} ", f"access_log {folder}/access.log "))


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True)


def advice(said: str, user: str) -> str:
    if user != "root" and "Permission denied" in said:
        return f"nginx would run as {user} from the start. Open to it what it may not use, or set nginx_tls_unprivileged_enabled: false"
    denied = sorted({str(Path(path).parent) for path in re.findall(r'"(/[^"]+)" failed \(', said)})
    return f"Set nginx_tls_read_write_paths to the folders that it writes to{': ' if denied else ', which must exist.'}{', '.join(denied)}"


def main() -> int:
    wanted, candidate = json.loads(sys.argv[1]), Path(sys.argv[2])
    drop_in = Path(wanted["drop_in"])
    texts = [wanted["drop_in_content"] if path == drop_in else path.read_text() for path in unit_files(wanted["service"], drop_in)]
    lines = [line for text in texts for line in settings(text)]
    user = next((line.removeprefix("User=") for line in reversed(lines) if line.startswith("User=")), "root")
    properties = [f"--property={line}" for line in lines]
    with tempfile.TemporaryDirectory(prefix="nginx_tls.", dir="/run") as folder:
        stage(wanted, candidate, Path(folder))
        test = [wanted["binary"], "-t", "-q", "-c", f"{folder}/{wanted['conf_name']}"]
        # This makes the folders of a package that was never started, for nginx's own user.
        free = run(test)
        if free.returncode:
            said = free.stderr.strip().replace(folder, wanted["conf_dir"])
            if "a duplicate default server" in said:
                said += "\nAnother site answers for unknown names on that port. Set nginx_tls_default_server_enabled: false."
            print(said, file=sys.stderr)
            return 1
        for path in (folder, *Path(folder).rglob("*")):
            os.chown(path, pwd.getpwnam(user).pw_uid, -1, follow_symlinks=False)

        log = Path(folder, "log")
        # A start of this kind ends with the program. Waiting for it in another way would need D-Bus.
        how = ["--property=Type=oneshot", "--property=TimeoutStartSec=60", f"--property=StandardError=file:{log}"]
        log.touch()
        started = run(["systemd-run", "--quiet", "--collect", *properties, *how, *test])
        if not started.returncode:
            return 0
        confined = (log.read_text() or started.stderr).strip().replace(folder, wanted["conf_dir"])
    print(f"nginx accepts the configuration, but would not start with it in the confinement of {drop_in}: {confined} {advice(confined, user)}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
