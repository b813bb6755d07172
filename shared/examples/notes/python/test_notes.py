"""The notes of two users. `../test` sets the environment and starts an emulated table."""

import base64
import json
import unittest
from unittest import mock

from botocore.exceptions import EndpointConnectionError

import notes

BOTH = "openid read:notes write:notes"


def ask(route, sub, scope=BOTH, note=None, **event):
    """The status and the body of the answer, as API Gateway would ask after the authorizer."""
    caller = {"sub": sub, "scope": scope}
    event |= {"routeKey": route, "requestContext": {"authorizer": {"lambda": caller}}}
    if note is not None:
        event["pathParameters"] = {"id": note}
    answer = notes.handler(event, None)
    return answer["statusCode"], json.loads(answer["body"] or "null")


def create(sub, body, **event):
    return ask("POST /notes", sub, body=json.dumps(body), **event)


class Notes(unittest.TestCase):
    def test_each_user_has_separate_notes(self):
        status, note = create("auth0|ada", {"text": "Note G"})
        self.assertEqual((status, note["text"]), (201, "Note G"))
        self.assertEqual(ask("GET /notes/{id}", "auth0|ada", note=note["id"]), (200, note))
        self.assertEqual(ask("GET /notes", "auth0|ada"), (200, {"notes": [note], "next": None}))
        self.assertEqual(ask("GET /notes", "auth0|grace"), (200, {"notes": [], "next": None}))
        for route in ["GET /notes/{id}", "DELETE /notes/{id}"]:
            status, body = ask(route, "auth0|grace", note=note["id"])
            self.assertEqual((status, body["code"]), (404, "note_not_found"))
        self.assertEqual(ask("DELETE /notes/{id}", "auth0|ada", note=note["id"]), (204, None))
        self.assertEqual(ask("DELETE /notes/{id}", "auth0|ada", note=note["id"])[0], 404)

    def test_each_route_requires_its_scope(self):
        for route, (scope, _) in notes.ROUTES.items():
            others = BOTH.replace(scope, f"{scope}:other")
            status, body = ask(route, "auth0|ada", scope=others, note="0" * 26)
            self.assertEqual((status, body["code"]), (403, "insufficient_scope"), route)
            self.assertNotEqual(ask(route, "auth0|ada", scope=scope, note="0" * 26)[0], 403, route)

    def test_invalid_requests_are_refused(self):
        too_long = "x" * (notes.MAX_TEXT + 1)
        for body in [{"text": ""}, {"text": too_long}, {"text": 7}, {"text": "x", "owner": "y"}, {}, [], None]:
            status, answer = create("auth0|ada", body)
            self.assertEqual((status, answer["code"]), (400, "invalid_note"), body)
        self.assertEqual(ask("POST /notes", "auth0|ada", body="no JSON")[0], 400)
        self.assertEqual(ask("POST /notes", "auth0|ada")[0], 400)
        self.assertEqual(ask("GET /notes", "auth0|ada", queryStringParameters={"after": "x"})[0], 400)
        self.assertEqual(ask("GET /notes/{id}", "auth0|ada", note="x")[0], 404)

    def test_an_encoded_body_is_read(self):
        body = base64.b64encode(b'{"text": "encoded"}').decode()
        status, note = ask("POST /notes", "auth0|eve", body=body, isBase64Encoded=True)
        self.assertEqual((status, note["text"]), (201, "encoded"))

    def test_a_long_list_has_pages_with_the_newest_note_first(self):
        with mock.patch("notes.time.time") as now:
            for number in range(notes.PAGE + 1):
                now.return_value = 1_800_000_000 + number
                create("auth0|joan", {"text": str(number)})
        _, first = ask("GET /notes", "auth0|joan")
        self.assertEqual([note["text"] for note in first["notes"]], [str(n) for n in range(notes.PAGE, 0, -1)])
        _, second = ask("GET /notes", "auth0|joan", queryStringParameters={"after": first["next"]})
        self.assertEqual([note["text"] for note in second["notes"]], ["0"])
        self.assertIsNone(second["next"])

    def test_without_its_table_the_api_is_unavailable(self):
        error = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
        with mock.patch.object(notes.TABLE, "query", side_effect=error), self.assertLogs():
            status, body = ask("GET /notes", "auth0|ada")
        self.assertEqual((status, body["code"]), (503, "notes_unavailable"))
