"""What schemathesis needs to know beside the contract: how calls are signed, and what no schema can say."""

import hashlib
import os
import time
import urllib.parse

import requests
import schemathesis


VERSION = "1700000000001-17"


@schemathesis.auth().apply_to(tag="apps")
class Token:
    """The token of a user."""

    def get(self, case, context):
        return os.environ["USER_TOKEN"]

    def set(self, case, token, context):
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.auth().apply_to(tag="backend")
class Signature:
    """The signature covers the body, whose bytes are known only when the call is sent: see `before_call`."""

    def get(self, case, context):
        return "to be signed"

    def set(self, case, mark, context):
        for name in ("MD5", "CurTime", "CheckSum"):
            case.headers[name] = mark


class Signed(requests.auth.AuthBase):
    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        md5, cur_time = hashlib.md5(body).hexdigest(), str(int(time.time() * 1000))
        check_sum = hashlib.sha1((os.environ["APP_SECRET"] + md5 + cur_time).encode()).hexdigest()
        request.headers.update({"MD5": md5, "CurTime": cur_time, "CheckSum": check_sum})
        return request


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is not None and case.meta.generation.mode.is_positive:
        make_it_fit(case)
    if case.headers.get("CheckSum") == "to be signed":
        kwargs["auth"] = Signed()


def make_it_fit(case):
    """What no schema can say of values that each fit theirs."""
    if "since" in case.query:
        # An opaque text cannot be invented.
        case.query["since"] = os.environ["SYNC_TOKEN"]
    if "cursor" in case.query:
        del case.query["cursor"]
    if "version" in case.query:
        # Nor can a version, which has one spelling.
        case.query["version"] = VERSION
    if isinstance(case.body, dict) and "account" in case.body:
        # A user who is erased has no valid sync token.
        case.body["account"] = "nobody"
    if isinstance(case.body, dict) and isinstance(case.body.get("sessions"), list):
        # No session is named twice.
        by_id = {session["sessionId"]: session for session in case.body["sessions"]}
        case.body["sessions"] = [{"sessionId": session, "version": VERSION} for session in by_id]
    bounds = [int(case.query.get(name, 0)) for name in ("minTimestamp", "maxTimestamp")]
    if bounds[0] > bounds[1] > 0:
        case.query["minTimestamp"], case.query["maxTimestamp"] = reversed(bounds)
    if isinstance(case.body, dict) and "groupId" in case.body:
        # The body names the group of the path, at a time that has come. Nobody joins and leaves at once, and somebody does one of them.
        case.body["groupId"] = urllib.parse.unquote(case.path_parameters["groupId"])
        case.body["time"] = min(case.body["time"], int(time.time() * 1000))
        if "members" not in case.body:
            add = case.body.get("add") or []
            remove = [account for account in case.body.get("remove") or [] if account not in add]
            case.body.update(add=add or ([] if remove else ["carol"]), remove=remove[: 1_000 - len(add)])


@schemathesis.hook
def filter_case(context, case):
    """Ids are limited in bytes; JSON Schema counts characters."""
    names = [text for text in texts([case.path_parameters, case.body]) if len(text) <= 266]
    return all(len(text.split("|", 1)[-1].encode(errors="replace")) <= 255 for text in names)


def texts(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from texts(member)
