"""Verifies a Bearer token with PyJWT and one configured key, and returns the claims."""

import json
import os

import jwt

KEY = jwt.PyJWK(json.loads(os.environ["JWKS"])["keys"][0])


def handler(event, context):
    try:
        claims = jwt.decode(
            event["headers"].get("authorization", "").removeprefix("Bearer "),
            KEY,
            algorithms=["RS256"],
            audience=os.environ["CLIENT_ID"],
            issuer=os.environ["ISSUER"],
            options={"require": ["exp"]},
        )
    except jwt.InvalidTokenError as error:
        return {"statusCode": 401, "body": str(error)}
    headers = {"content-type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps(claims)}
