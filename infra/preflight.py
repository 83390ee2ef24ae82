#!/usr/bin/env python3
"""Checks what a first deployment needs, before it begins: the tools, the token issuer, the region and the account.

    python3 preflight.py --issuer https://issuer.example --region eu-west-1

It changes nothing. It exits with 1 if something would make the deployment fail or the service useless.
"""

import argparse
import http.client
import json
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

# According to AWS's documentation of Lambda function URLs, as read on 2026-12-01, and to cfn-lint for the others.
WITHOUT_FUNCTION_URLS = {
    "ap-east-2", "ap-south-2", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2",
    "eu-south-2", "il-central-1", "me-central-1", "mx-central-1", "us-gov-east-1", "us-gov-west-1",
}
# Lambda keeps this much of an account's concurrency unreserved.
MIN_UNRESERVED = 100
# AppConcurrency is reserved once for each of these: list, changes, get, update, delete.
FUNCTIONS_OF_APPS = 5


class Problem(Exception):
    pass


def fetch(url):
    """Fetches a JSON object."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            document = json.load(response)
    except urllib.error.HTTPError as error:
        raise Problem(f"{url} responds {error.code}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Problem(f"{url} cannot be fetched as JSON: {error}") from error
    if not isinstance(document, dict):
        raise Problem(f"{url} is not a JSON object")
    return document


def is_safe(url):
    """Whether a URL is https, or on this machine."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))


def check_issuer(issuer):
    """Checks that API Gateway can verify the issuer's tokens."""
    if not is_safe(issuer):
        raise Problem(f"{issuer} does not begin with https://")
    address = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    configuration = fetch(address)
    named = configuration.get("issuer")
    if named != issuer:
        raise Problem(f"{address} names the issuer {named!r}: JwtIssuer must be exactly that, and the tokens' iss, too")
    keys_at = configuration.get("jwks_uri")
    if not isinstance(keys_at, str) or not is_safe(keys_at):
        raise Problem(f"{address} has no jwks_uri with https")
    keys = fetch(keys_at).get("keys")
    keys = [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
    usable = [key for key in keys if key.get("kty") == "RSA" and str(key.get("alg") or "RS256").startswith("RS")]
    if not usable:
        raise Problem(f"{keys_at} has no RSA key: API Gateway verifies only signatures by RSA, such as RS256")
    return f"{len(usable)} RSA keys"


def check_tools():
    """Checks that the tools are there."""
    missing = [tool for tool in ("sam", "cargo-lambda", "cargo", "aws") if shutil.which(tool) is None]
    if missing:
        raise Problem(f"not found: {', '.join(missing)}; see docs/operations.md, Deploying")
    return "sam, cargo-lambda, cargo and aws"


def check_region(region, endpoint):
    """Checks that the region has what the feed's endpoint needs."""
    if region.startswith("cn-"):
        if endpoint == "FunctionUrl":
            raise Problem("China has not been verified: deploy with FeedEndpoint=HttpApi")
        return "China, which has not been verified"
    if region in WITHOUT_FUNCTION_URLS and endpoint == "FunctionUrl":
        raise Problem(f"{region} has no Lambda function URLs: deploy with FeedEndpoint=HttpApi")
    return region


def check_account(region, feed, apps):
    """Checks that the account's concurrency is enough for what is to be reserved."""
    command = ["aws", "lambda", "get-account-settings", "--region", region, "--output", "json"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise Problem(f"{' '.join(command)} fails: {getattr(error, 'stderr', None) or error}") from error
    limit = json.loads(output)["AccountLimit"]
    unreserved, reserved = limit["UnreservedConcurrentExecutions"], feed + FUNCTIONS_OF_APPS * apps
    if reserved and unreserved - reserved < MIN_UNRESERVED:
        raise Problem(
            f"{reserved} are to be reserved (FeedConcurrency, and AppConcurrency for {FUNCTIONS_OF_APPS} functions), "
            f"and {MIN_UNRESERVED} must stay unreserved of {unreserved}: ask AWS for a higher quota of concurrent executions"
        )
    return f"{unreserved} concurrent executions are not reserved; each handles at most 10 requests a second"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--issuer", required=True, help="the value of JwtIssuer")
    parser.add_argument("--region", required=True, help="the region to deploy to")
    parser.add_argument("--feed-endpoint", default="FunctionUrl", choices=["FunctionUrl", "HttpApi"], help="FeedEndpoint")
    parser.add_argument("--feed-concurrency", type=int, default=0, help="FeedConcurrency, if any is to be reserved")
    parser.add_argument("--app-concurrency", type=int, default=0, help="AppConcurrency, if any is to be reserved")
    options = parser.parse_args()
    failed = False
    for name, check in (
        ("tools", check_tools),
        ("issuer", lambda: check_issuer(options.issuer)),
        ("region", lambda: check_region(options.region, options.feed_endpoint)),
        ("account", lambda: check_account(options.region, options.feed_concurrency, options.app_concurrency)),
    ):
        try:
            print(f"ok      {name}: {check()}")
        except Problem as problem:
            failed = True
            print(f"FAILED  {name}: {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
