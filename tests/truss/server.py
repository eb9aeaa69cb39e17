"""Truss's own server on a Truss, as its image would start it: python server.py PORT, the Truss at SAGEMAKER_MODEL_PATH.

The files of the server are copied beside those of the Truss, where the image has them, and `config.yaml` gets every
field, as the image builder writes it. Needs `truss` and what its server requires (scripts/compare-truss).
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

import yaml

#: What the server reads without asking whether it is there.
FIELDS: dict[str, Any] = {
    "requirements": [],
    "model_module_dir": "model",
    "model_class_filename": "model.py",
    "model_class_name": "Model",
    "secrets": {},
    "runtime": {},
}


def main() -> None:
    templates = (
        Path(sysconfig.get_path("purelib")) / "truss" / "templates"
    )  # to import it takes its command line's needs
    folder, app = Path(os.environ["SAGEMAKER_MODEL_PATH"]), Path(tempfile.mkdtemp(dir=os.environ.get("TMPDIR"))) / "app"
    shutil.copytree(templates / "server", app)
    shutil.copytree(templates / "shared", app / "_truss_shared")
    shutil.copytree(folder, app, dirs_exist_ok=True)
    given = yaml.safe_load((folder / "config.yaml").read_text()) or {}
    (app / "config.yaml").write_text(yaml.safe_dump({**FIELDS, **given}))
    os.chdir(app)
    known = {**os.environ, "INFERENCE_SERVER_PORT": sys.argv[1], "HOME": str(app)}
    os.execve(sys.executable, [sys.executable, "main.py"], known)


if __name__ == "__main__":
    main()
