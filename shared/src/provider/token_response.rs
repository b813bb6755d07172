//! The token endpoint's responses.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::RedeemError;

/// A successful response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). Nothing in it is verified.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// For the API; without one, an opaque token for the provider's user info endpoint.
    pub access_token: SecretString,
    /// The identity of the user, not yet verified.
    pub id_token: SecretString,
    /// The token that gets new tokens without a new login.
    pub refresh_token: Option<SecretString>,
}

/// A successful response to a refresh token (RFC 6749 §6, OpenID Connect Core §12.2). Nothing in it is
/// verified.
#[derive(Clone, Debug)]
pub struct RefreshResponse {
    /// For the API; without one, an opaque token for the provider's user info endpoint.
    pub access_token: SecretString,
    /// The identity of the user, if the provider sent it again.
    pub id_token: Option<SecretString>,
    /// The next refresh token. `None`: the one that was sent remains valid.
    pub refresh_token: Option<SecretString>,
}

impl TokenResponse {
    /// Parses the body of a 200.
    ///
    /// # Errors
    ///
    /// When a token is missing, or the type is not Bearer.
    pub fn parse(bytes: &[u8]) -> Result<Self, RedeemError> {
        let body = Body::parse(bytes)?;
        Ok(Self {
            access_token: body.access_token.ok_or_else(no_access_token)?,
            id_token: body.id_token.ok_or(RedeemError::MissingIdToken)?,
            refresh_token: body.refresh_token,
        })
    }
}

impl RefreshResponse {
    /// Parses the body of a 200.
    ///
    /// # Errors
    ///
    /// When the access token is missing, or the type is not Bearer.
    pub fn parse(bytes: &[u8]) -> Result<Self, RedeemError> {
        let body = Body::parse(bytes)?;
        Ok(Self {
            access_token: body.access_token.ok_or_else(no_access_token)?,
            id_token: body.id_token,
            refresh_token: body.refresh_token,
        })
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default, deserialize_with = "token")]
    access_token: Option<SecretString>,
    #[serde(default, deserialize_with = "token")]
    id_token: Option<SecretString>,
    token_type: Option<String>,
    #[serde(default, deserialize_with = "token")]
    refresh_token: Option<SecretString>,
}

impl Body {
    fn parse(bytes: &[u8]) -> Result<Self, RedeemError> {
        // The parser's own error text could quote a token.
        let body: Self = serde_json::from_slice(bytes)
            .map_err(|_| RedeemError::Malformed("not the JSON of a token response".to_owned()))?;
        if body.token_type.as_ref().is_some_and(|name| name.eq_ignore_ascii_case("bearer")) {
            Ok(body)
        } else {
            Err(RedeemError::Malformed("token_type is not Bearer".to_owned()))
        }
    }
}

/// An empty token counts as missing.
fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).map(Into::into))
}

fn no_access_token() -> RedeemError {
    RedeemError::Malformed("access_token is missing".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn r135_a_refresh_may_return_only_an_access_token() {
        let body = json!({ "access_token": "at", "token_type": "Bearer" });
        let response = RefreshResponse::parse(body.to_string().as_bytes()).unwrap();
        assert!(response.id_token.is_none() && response.refresh_token.is_none());
        for name in ["access_token", "token_type"] {
            let mut without = body.clone();
            without[name] = json!("");
            let refused = RefreshResponse::parse(without.to_string().as_bytes()).unwrap_err();
            assert!(matches!(refused, RedeemError::Malformed(_)), "{name}");
        }
    }

    /// R179.
    #[test]
    fn r179_debug_output_and_errors_contain_no_token() {
        let mut body = json!({
            "access_token": "hunter2", "id_token": "it", "token_type": "Bearer",
            "refresh_token": "hunter2",
        });
        let response = TokenResponse::parse(body.to_string().as_bytes()).unwrap();
        assert!(!format!("{response:?}").contains("hunter2"));
        body["token_type"] = json!(["hunter2"]);
        let error = TokenResponse::parse(body.to_string().as_bytes()).unwrap_err();
        assert!(!format!("{error:?}{error}").contains("hunter2"));
    }
}
