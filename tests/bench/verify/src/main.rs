//! A function that verifies a Bearer token with jsonwebtoken and one configured key, and returns the
//! claims. It fetches no key and has no sessions.

use std::env;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use lambda_http::{Body, Error, Request, Response, run, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let key = DecodingKey::from_rsa_components(&env::var("MODULUS")?, &env::var("EXPONENT")?)?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&[env::var("CLIENT_ID")?]);
    let (key, validation) = (&key, &validation);
    run(service_fn(async move |request: Request| {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer "));
        match decode::<Value>(token.unwrap_or_default(), key, validation) {
            Ok(token) => Ok::<_, Error>(Response::new(Body::from(token.claims.to_string()))),
            Err(error) => {
                Ok(Response::builder().status(401).body(Body::from(error.to_string()))?)
            }
        }
    }))
    .await
}
