"""Verifies a Bearer token with PyJWT behind Flask and a WSGI adapter, and returns the claims."""

import jwt
from apig_wsgi import make_lambda_handler
from flask import Flask, jsonify, request

from pyjwt import verify

app = Flask(__name__)


@app.get("/")
def claims():
    try:
        return jsonify(verify(request.headers.get("Authorization", "")))
    except jwt.InvalidTokenError as error:
        return str(error), 401


handler = make_lambda_handler(app)
