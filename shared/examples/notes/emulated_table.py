"""Runs the tests in Python and in Node.js, each with an empty table of moto's DynamoDB."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

FOLDER = Path(__file__).parent
TESTS = {
    "python": [sys.executable, "-m", "unittest", "--quiet"],
    "node": ["node", "--test"],
}


def environment(language, address):
    return {
        "NOTES_TABLE": language,
        "AWS_ENDPOINT_URL_DYNAMODB": address,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "NO_PROXY": "127.0.0.1",
    }


def create_table(name, address):
    client = boto3.client(
        "dynamodb",
        endpoint_url=address,
        region_name="eu-central-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )
    keys = {"owner_digest": "HASH", "id": "RANGE"}
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        BillingMode="PAY_PER_REQUEST",
    )


os.environ["NO_PROXY"] = "127.0.0.1"
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
try:
    for language, command in TESTS.items():
        create_table(language, address)
        settings = os.environ | environment(language, address)
        subprocess.run(command, cwd=FOLDER / language, env=settings, check=True)
except subprocess.CalledProcessError:
    sys.exit(1)
finally:
    server.stop()
