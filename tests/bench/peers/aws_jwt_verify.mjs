// Verifies a Bearer token with aws-jwt-verify and the configured keys, and returns the claims.
import { JwtVerifier } from "aws-jwt-verify";

const verifier = JwtVerifier.create({
  issuer: process.env.ISSUER,
  audience: process.env.CLIENT_ID,
  jwksUri: process.env.JWKS_URI,
});
verifier.cacheJwks(JSON.parse(process.env.JWKS));

export async function handler(event) {
  try {
    const claims = await verifier.verify((event.headers.authorization ?? "").slice("Bearer ".length));
    const headers = { "content-type": "application/json" };
    return { statusCode: 200, headers, body: JSON.stringify(claims) };
  } catch (error) {
    return { statusCode: 401, body: error.message };
  }
}
