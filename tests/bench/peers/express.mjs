// Verifies a Bearer token with express-oauth2-jwt-bearer, which fetches the keys itself, behind
// Express and an adapter, and returns the claims.
import express from "express";
import { auth } from "express-oauth2-jwt-bearer";
import serverless from "serverless-http";
import { run } from "./runtime.mjs";

const app = express();
app.use(
  auth({
    issuer: process.env.ISSUER,
    audience: process.env.CLIENT_ID,
    jwksUri: process.env.JWKS_URI,
    tokenSigningAlg: "RS256",
  }),
);
app.get("/", (request, response) => response.json(request.auth.payload));
app.use((error, request, response, next) => response.status(error.status ?? 500).send(error.message));

run(serverless(app));
