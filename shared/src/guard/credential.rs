//! The credential in a request.

use http::{HeaderMap, header};

use super::Refusal;
use crate::{
    crypto::secret::SessionSecret,
    web::{
        cookie::{CookieJar, RequestCookies, SessionCookie},
        query::Query,
        request::Request,
    },
};

/// A credential, as the request contains it.
pub enum Credential<'a> {
    /// A bearer token in the `Authorization` header (RFC 6750 §2.1).
    Bearer(&'a str),
    /// The session cookie.
    Cookie(SessionSecret),
    /// A session cookie with a value that we never issue.
    MalformedCookie,
    /// No credential.
    Absent,
}

impl<'a> Credential<'a> {
    /// The credential of `request`. With a bearer token, the cookie is not read (R151).
    ///
    /// # Errors
    ///
    /// When the `Authorization` header is not exactly one bearer token, or the query contains a
    /// second token.
    pub fn of(request: &'a Request, cookies: &CookieJar) -> Result<Self, Refusal> {
        if let Some(token) = bearer(request.headers())? {
            if Query::of(request.uri()).contains("access_token") {
                return Err(Refusal::TwoTokens);
            }
            return Ok(Self::Bearer(token));
        }
        Ok(match cookies.session(&RequestCookies::of(request.headers())) {
            SessionCookie::Absent => Self::Absent,
            SessionCookie::Malformed => Self::MalformedCookie,
            SessionCookie::Present(secret) => Self::Cookie(secret),
        })
    }
}

/// The bearer token of the `Authorization` header (RFC 6750 §2.1), if the header is present.
///
/// API Gateway joins repeated headers with a comma, which no token contains.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Refusal::MalformedHeader);
    }
    let value = value.to_str().map_err(|_| Refusal::MalformedHeader)?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Refusal::OtherScheme);
    }
    let is_token68 = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || !token.bytes().all(is_token68) {
        return Err(Refusal::MalformedHeader);
    }
    Ok(Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect()
    }

    #[test]
    fn r141_a_header_that_is_not_one_bearer_token_is_refused() {
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer  a",
            "Bearer a b",
            "Bearer a,b",
            "Bearer a, Bearer b",
            "Bearer a;b",
            "Bearer \"a\"",
        ] {
            assert!(matches!(bearer(&headers(&[value])), Err(Refusal::MalformedHeader)), "{value}");
        }
        assert!(matches!(
            bearer(&headers(&["Bearer a", "Bearer a"])),
            Err(Refusal::MalformedHeader)
        ));
        for value in ["Basic dXNlcg==", "Bearerx y", "DPoP x.y.z", ""] {
            assert!(matches!(bearer(&headers(&[value])), Err(Refusal::OtherScheme)), "{value}");
        }
    }
}
