"""Calls the service on one machine in every way that its contract allows, and in many that it does not.

fuzz.py LOCAL [EXAMPLES]: LOCAL is the executable of `cargo local`, EXAMPLES how many calls of each operation are made up (50)."""

import json
import os
import pathlib
import subprocess
import sys

import requests

HERE = pathlib.Path(__file__).resolve().parent
# What schemathesis leaves behind.
WORK = HERE.parents[1] / "target/contract"


def main():
    local, examples = sys.argv[1], (sys.argv[2:] or ["50"])[0]
    service = subprocess.Popen([local, "--json", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        ready = json.loads(service.stdout.readline())
        url = ready["url"]
        token = requests.post(f"{ready['issuer']}/token", params={"user": "alice"}, timeout=10).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        sync_token = requests.get(f"{url}/v1/sessions", headers=bearer, timeout=10).json()["syncToken"]
        known = {
            "USER_TOKEN": token,
            "APP_SECRET": ready["appSecret"],
            "SYNC_TOKEN": sync_token,
            "SCHEMATHESIS_HOOKS": "hooks",
            "PYTHONPATH": str(HERE),
        }
        command = [str(pathlib.Path(sys.executable).parent / "st"), "--config-file", str(HERE / "schemathesis.toml"), "run"]
        arguments = [f"{url}/openapi.json", "--max-examples", examples, "--no-color"]
        WORK.mkdir(parents=True, exist_ok=True)
        return subprocess.run(command + arguments, env=os.environ | known, cwd=WORK, check=False).returncode
    finally:
        service.terminate()
        service.wait()


if __name__ == "__main__":
    sys.exit(main())
