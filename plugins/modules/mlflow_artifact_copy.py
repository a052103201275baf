#!/usr/bin/python
# Copyright (c) 2026, mlops.mlflow contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mlflow_artifact_copy
short_description: Copy the artifacts of an MLflow server to another store, with proof
version_added: 1.0.0
description:
  - Copies what is at O(source) and not yet proven to be at O(target), by rclone, and then reads both sides and compares them.
  - What is proven is kept in O(state_dir), with size and time. So a first run can do most of it while the server serves, and one behind a server that was
    stopped finds what is left quickly.
  - Files that somebody else has at O(target) are never overwritten by a first run. What was deleted at O(source) in between stays at O(target).
  - The source stays as it is, unless O(state=purged).
author:
  - mlops.mlflow contributors (@mlops-mlflow)
extends_documentation_fragment:
  - mlops.mlflow._attributes
options:
  state:
    description:
      - V(copied) is what stands above.
      - V(purged) deletes at O(source) what an earlier run has proven to be at O(target), as far as it has not changed since.
    type: str
    choices: [copied, purged]
    default: copied
  source:
    description:
      - Where the artifacts are. Instead of it O(source_uri) and O(environment_file) can be given.
    type: dict
    suboptions: &place
      type:
        description: What it is. V(rclone) is any remote that rclone knows.
        type: str
        choices: [folder, s3, rclone]
        required: true
      path:
        description: The folder, or the beginning of names in the bucket or the remote.
        type: str
      endpoint_url:
        description: Address of the S3 server, empty for AWS.
        type: str
      region:
        description: Region of the bucket.
        type: str
      bucket:
        description: The bucket.
        type: str
      access_key_id:
        description: Access key for it.
        type: str
      secret_access_key:
        description: Secret of the access key.
        type: str
      options:
        description: Options of a remote of the type V(rclone), as in its configuration.
        type: dict
  source_uri:
    description: URI of the artifacts as MLflow has it, C(s3://) or a folder.
    type: str
  environment_file:
    description: File with the environment of an MLflow server, which has the address of the S3 store, the keys and the CA certificates for O(source_uri).
    type: path
  target:
    description: Where they go, in the same words as O(source).
    type: dict
    required: true
    suboptions: *place
  ca_certificates:
    description: PEM texts of authorities that are trusted besides those of the system.
    type: list
    elements: str
    default: []
  bandwidth_limit:
    description: What rclone calls C(--bwlimit), such as V(10M) for 10 MiB in a second.
    type: str
    default: ""
  state_dir:
    description: Folder on the host in which the names of what is proven are kept.
    type: path
    required: true
attributes:
  diff_mode:
    support: full
requirements:
  - rclone
seealso:
  - module: mlops.mlflow.mlflow_artifact_info
  - module: mlops.mlflow.mlflow_artifact_locations
"""

EXAMPLES = r"""
- name: Copy the folder of a server that was started by hand
  mlops.mlflow.mlflow_artifact_copy:
    source:
      type: folder
      path: /home/mlflow/mlartifacts
    target:
      type: s3
      endpoint_url: https://s3.example.org
      bucket: mlflow
      access_key_id: mlflow
      secret_access_key: "{{ mlflow_secret_key }}"
    state_dir: /var/backups/mlflow
"""

RETURN = r"""
files:
  description: How many files are at the source.
  returned: success with O(state=copied)
  type: int
  sample: 4120
bytes:
  description: How large they are together.
  returned: success with O(state=copied)
  type: int
  sample: 73123456789
copied_files:
  description: How many of them were copied and proven now, or would be in check mode.
  returned: success with O(state=copied)
  type: int
  sample: 12
copied_bytes:
  description: How large these are together.
  returned: success with O(state=copied)
  type: int
  sample: 1234567
hash_names:
  description: Names at the source with a C(#), which MLflow cannot list unless clients reach the store with keys of their own.
  returned: success with O(state=copied)
  type: list
  elements: str
  sample: ["7/4f2a/artifacts/plot #1.png"]
text:
  description: What was done, or would be in check mode, in a sentence or two.
  returned: success
  type: str
  sample: 12 of 4120 files, with 1234567 of 73123456789 bytes, were copied and compared.
purged_files:
  description: How many files were deleted at the source, or would be in check mode.
  returned: success with O(state=purged)
  type: int
  sample: 4120
"""

import shutil
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlops.mlflow.plugins.module_utils._artifact_copy import Copy, CopyError, described
from ansible_collections.mlops.mlflow.plugins.module_utils._backup.places import Place, place_of, problem_of, secrets_of
from ansible_collections.mlops.mlflow.plugins.module_utils._mlflow.stored_secrets import read_environment_file

PLACE: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "type": {"type": "str", "choices": ["folder", "s3", "rclone"], "required": True},
        **{name: {"type": "str"} for name in ("path", "endpoint_url", "region", "bucket", "access_key_id")},
        "secret_access_key": {"type": "str", "no_log": True},
        "options": {"type": "dict", "no_log": True},
    },
}


def places(module: AnsibleModule, environment: dict[str, str]) -> tuple[Place, Place]:
    asked = module.params
    found = {
        "source": given(asked["source"]) if asked["source"] else place_of(asked["source_uri"], store_of(environment)),
        "target": given(asked["target"]),
    }
    for name, place in found.items():
        module.no_log_values.update(filter(None, secrets_of(place)))
        if problem := problem_of(place):
            raise CopyError(f"{name} {problem}")
    return found["source"], found["target"]


def store_of(environment: dict[str, str]) -> Place:
    names = {"endpoint_url": "MLFLOW_S3_ENDPOINT_URL", "region": "AWS_DEFAULT_REGION"}
    names.update({key: f"AWS_{key}".upper() for key in ("access_key_id", "secret_access_key")})
    return {key: environment.get(name, "") for key, name in names.items()}


def given(place: dict[str, t.Any]) -> Place:
    return {key: value for key, value in place.items() if value}


def authorities(module: AnsibleModule, environment: dict[str, str]) -> list[str]:
    texts = list(module.params["ca_certificates"])
    if environment.get("AWS_CA_BUNDLE"):
        with open(environment["AWS_CA_BUNDLE"], encoding="utf-8") as stream:
            texts.append(stream.read())
    return texts


def main() -> t.NoReturn:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["copied", "purged"], "default": "copied"},
            "source": PLACE,
            "source_uri": {"type": "str"},
            "environment_file": {"type": "path"},
            "target": {**PLACE, "required": True},
            "ca_certificates": {"type": "list", "elements": "str", "default": []},
            "bandwidth_limit": {"type": "str", "default": ""},
            "state_dir": {"type": "path", "required": True},
        },
        mutually_exclusive=[("source", "source_uri")],
        required_one_of=[("source", "source_uri")],
        supports_check_mode=True,
    )
    asked = module.params
    try:
        if not shutil.which("rclone"):
            raise CopyError("there is no rclone on this host: install it")
        environment = read_environment_file(asked["environment_file"]) if asked["environment_file"] else {}
        source, target = places(module, environment)
        with Copy(source, target, asked["state_dir"], authorities(module, environment), asked["bandwidth_limit"]) as copy:
            if asked["state"] == "purged":
                purged = copy.purge(module.check_mode)
                result: dict[str, t.Any] = {"purged_files": purged, "changed": purged > 0}
                result["text"] = f"{purged} files that are proven to be at the target {'would be' if module.check_mode else 'were'} deleted at the source."
            else:
                result = copy.run(module.check_mode)
                result.update(changed=result["copied_files"] > 0, text=described(result, module.check_mode))
                left = f"{result['copied_files']} files with {result['copied_bytes']} bytes of {result.pop('source')} are not at {result.pop('target')}\n"
                result["diff"] = {"before": left if result["changed"] else "", "after": ""}
    except (CopyError, OSError, ValueError) as exc:
        module.fail_json(msg=f"The artifacts stay where they are: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
