"""Verifies a Bearer token as pyjwt.py does, reads its session from DynamoDB, and returns the claims.

It reads one row, as `protected` does for a token that it has seen: which session the token leads to
is remembered there, and configured here.
"""

import os
import time

import boto3

import pyjwt

CLIENT = boto3.client("dynamodb")


def handler(event, context):
    answer = pyjwt.handler(event, context)
    if answer["statusCode"] == 200 and not has_session():
        return {"statusCode": 401, "body": "Good token, bad session"}
    return answer


def has_session():
    read = CLIENT.get_item(
        TableName=os.environ["SESSION_TABLE"],
        Key={"pk": {"S": os.environ["ROW"]}},
        ConsistentRead=True,
    )
    row = read.get("Item")
    return row is not None and int(row["expires_at"]["N"]) > time.time()
