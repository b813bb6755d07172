"""Each user lists, reads, creates and deletes their own notes. The bundle's authorizer has
authenticated the caller and passes on the claims, so there is no code for tokens or sessions."""

import base64
import hashlib
import json
import logging
import os
import re
import secrets
import time

import boto3
from boto3.dynamodb.conditions import Key
from botocore.exceptions import BotoCoreError, ClientError

MAX_TEXT = 10_000
PAGE = 50
TABLE = boto3.resource("dynamodb").Table(os.environ["NOTES_TABLE"])


class Refused(Exception):
    """The status, code and description of an error."""


def list_notes(owner, event):
    after = (event.get("queryStringParameters") or {}).get("after")
    if after and not is_id(after):
        raise Refused(400, "invalid_note", "`after` must be the id of a note.")
    start = {"ExclusiveStartKey": {"owner_digest": owner, "id": after}} if after else {}
    mine = Key("owner_digest").eq(owner)
    found = TABLE.query(KeyConditionExpression=mine, ScanIndexForward=False, Limit=PAGE, **start)
    notes = [public(item) for item in found["Items"]]
    return 200, {"notes": notes, "next": found.get("LastEvaluatedKey", {}).get("id")}


def create_note(owner, event):
    try:
        body = event.get("body") or ""
        note = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
        text = note["text"] if set(note) == {"text"} else None
        is_valid = isinstance(text, str) and 0 < len(text.encode()) <= MAX_TEXT
    except (TypeError, ValueError):
        is_valid = False
    if not is_valid:
        raise Refused(400, "invalid_note", "The body must be JSON: `text`, of 1 to 10,000 bytes.")
    # It begins with the time, so the table keeps the order.
    item = {"owner_digest": owner, "id": f"{int(time.time()):010x}{secrets.token_hex(8)}", "text": text}
    TABLE.put_item(Item=item)
    return 201, public(item)


def read_note(owner, event):
    found = TABLE.get_item(Key=existing(owner, event), ConsistentRead=True)
    return 200, public(found.get("Item"))


def delete_note(owner, event):
    deleted = TABLE.delete_item(Key=existing(owner, event), ReturnValues="ALL_OLD")
    public(deleted.get("Attributes"))
    return 204, None


ROUTES = {
    "GET /notes": ("read:notes", list_notes),
    "POST /notes": ("write:notes", create_note),
    "GET /notes/{id}": ("read:notes", read_note),
    "DELETE /notes/{id}": ("write:notes", delete_note),
}


def handler(event, _):
    caller = event["requestContext"]["authorizer"]["lambda"]
    scope, answer = ROUTES[event["routeKey"]]
    try:
        if scope not in caller.get("scope", "").split():
            raise Refused(403, "insufficient_scope", f"The scope {scope} is needed.")
        # Each row has the digest in its key, so a user reaches no row of another.
        return response(*answer(hashlib.sha256(caller["sub"].encode()).hexdigest(), event))
    except Refused as refused:
        status, code, description = refused.args
        return response(status, {"code": code, "description": description})
    except (BotoCoreError, ClientError):
        logging.exception("the table cannot be used")
        return response(503, {"code": "notes_unavailable", "description": "Try again later."})


def existing(owner, event):
    """The key of the user's note that the path names."""
    if not is_id(event["pathParameters"]["id"]):
        raise not_found()
    return {"owner_digest": owner, "id": event["pathParameters"]["id"]}


def public(item):
    if item is None:
        raise not_found()
    return {"id": item["id"], "text": item["text"]}


def not_found():
    return Refused(404, "note_not_found", "There is no such note.")


def is_id(text):
    return re.fullmatch("[0-9a-f]{26}", text) is not None


def response(status, body):
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return {"statusCode": status, "headers": headers, "body": "" if body is None else json.dumps(body)}
