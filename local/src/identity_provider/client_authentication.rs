//! Authenticates the client by its id and secret (RFC 6749 §2.3.1).

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, header};
use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret;

use super::options::Options;

/// Why client authentication failed.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum ClientAuthenticationError {
    /// The request has no client credentials.
    #[error("Missing client authentication")]
    Missing,
    /// The credentials are in both the header and the body, or in two headers.
    #[error("The client must authenticate in one way only")]
    TwoWays,
    /// The header is not `Basic` with two parts.
    #[error("The Authorization header is malformed")]
    Malformed,
    /// The id or the secret is wrong. The error does not reveal which one.
    #[error("Unauthorized")]
    Refused,
}

/// Authenticates by `client_secret_basic` or by the body's `client_secret_post`.
pub(super) fn authenticate(
    options: &Options,
    headers: &HeaderMap,
    client_id: Option<&str>,
    client_secret: Option<&str>,
) -> Result<(), ClientAuthenticationError> {
    use ClientAuthenticationError::{Malformed, Missing, Refused, TwoWays};

    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let (id, secret) = match (authorizations.next(), client_id, client_secret) {
        (Some(_), _, Some(_)) => return Err(TwoWays),
        (Some(authorization), body_id, None) => {
            if authorizations.next().is_some() {
                return Err(TwoWays);
            }
            let (id, secret) =
                authorization.to_str().ok().and_then(parse_basic).ok_or(Malformed)?;
            if body_id.is_some_and(|body_id| body_id != id) {
                return Err(Refused);
            }
            (id, secret)
        }
        (None, Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
        (None, _, _) => return Err(Missing),
    };
    let known_id = equal_in_constant_time(&id, &options.client_id);
    let known_secret = equal_in_constant_time(&secret, options.client_secret.expose_secret());
    if known_id & known_secret { Ok(()) } else { Err(Refused) }
}

/// Compares digests, so that the time taken reveals neither the first difference nor the secret's
/// length.
pub(crate) fn equal_in_constant_time(a: &str, b: &str) -> bool {
    let (a, b) = (digest(&SHA256, a.as_bytes()), digest(&SHA256, b.as_bytes()));
    verify_slices_are_equal(a.as_ref(), b.as_ref()).is_ok()
}

/// Parses id and secret. Both are form-encoded before they are joined, because a secret may contain a
/// colon.
fn parse_basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    Some(percent_decode_str(&text).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use secrecy::SecretString;

    use super::*;

    fn basic(credentials: &str) -> HeaderMap {
        let value = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::try_from(value).unwrap())])
    }

    fn outcome(
        headers: &HeaderMap,
        id: Option<&str>,
        secret: Option<&str>,
    ) -> Result<(), ClientAuthenticationError> {
        let options = Options::new("client", SecretString::from("se:cr et%"));
        authenticate(&options, headers, id, secret)
    }

    #[test]
    fn a_secret_in_the_header_is_form_encoded() {
        assert_eq!(outcome(&basic("client:se%3Acr+et%25"), None, None), Ok(()));
        assert_eq!(outcome(&basic("client:se%3Acr+et%25"), Some("client"), None), Ok(()));
    }

    #[test]
    fn each_wrong_way_has_its_reason() {
        use ClientAuthenticationError::{Malformed, Missing, Refused, TwoWays};

        let none = HeaderMap::new();
        assert_eq!(outcome(&none, Some("client"), Some("se:cr et%")), Ok(()));
        assert_eq!(outcome(&none, None, None), Err(Missing));
        assert_eq!(outcome(&none, Some("client"), None), Err(Missing));
        assert_eq!(outcome(&none, Some("client"), Some("wrong")), Err(Refused));
        assert_eq!(outcome(&none, Some("other"), Some("se:cr et%")), Err(Refused));
        let good = basic("client:se%3Acr+et%25");
        assert_eq!(outcome(&good, Some("client"), Some("se:cr et%")), Err(TwoWays));
        assert_eq!(outcome(&good, Some("other"), None), Err(Refused));
        assert_eq!(outcome(&basic("client"), None, None), Err(Malformed));
        let bearer =
            HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer x"))]);
        assert_eq!(outcome(&bearer, None, None), Err(Malformed));
    }
}
