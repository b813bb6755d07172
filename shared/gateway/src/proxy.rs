//! The owner's proxy in front of the API, and the secret with which it proves itself.

use std::future::Future;

use http::{HeaderMap, HeaderName, StatusCode};
use shared::{
    crypto::secret::{Digest, equal},
    names::{ErrorCode, LogEvent},
    pages::plain,
    settings::Settings,
    web::{
        error::Public,
        request::{Request, RequestContext, Response},
    },
};

/// The header in which the proxy sends its secret. It must replace a header that the client sent.
pub const SECRET_HEADER: HeaderName = HeaderName::from_static("x-proxy-secret");

/// The digests of the secrets that the proxy may send. Without digests, there is no such proxy.
///
/// The setting holds digests, because no variable of a deployed function is a secret (R179). A secret of
/// 256 random bits cannot be found from its digest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Proxy(Vec<String>);

/// The refusal of a request that did not come through the proxy.
pub fn refusal() -> Public {
    Public::new(
        StatusCode::FORBIDDEN,
        ErrorCode::ProxyRequired,
        |texts| texts.titles.access_denied,
        |texts| texts.errors.proxy_required,
    )
}

impl Proxy {
    /// Reads `PROXY_SECRET_DIGEST`, a comma-separated list.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        settings.with_default("PROXY_SECRET_DIGEST", Self::default(), |text| {
            let digests = text.split(',').map(|digest| digest.trim().to_ascii_lowercase());
            let is_digest = |digest: &String| {
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
            };
            let digests: Vec<_> = digests.collect();
            if digests.iter().all(is_digest) {
                Ok(Self(digests))
            } else {
                Err("must be SHA-256 digests of 64 hexadecimal digits, separated by commas")
            }
        })
    }

    /// Whether a request with these headers came through the proxy. Removes the secret from them.
    pub fn admits(&self, headers: &mut HeaderMap) -> bool {
        let sent = headers.remove(&SECRET_HEADER);
        if self.0.is_empty() {
            return true;
        }
        let digest = sent.map_or_else(String::new, |secret| hexadecimal(&Digest::of(secret)));
        let admits = self.0.iter().any(|digests| equal(digests, &digest));
        if !admits {
            tracing::warn!(
                event = LogEvent::RequestRefused.name(),
                code = refusal().code.name(),
                status = StatusCode::FORBIDDEN.as_u16(),
                error = "the request did not come through the proxy",
                hint = "PROXY_SECRET_DIGEST",
                "the request was refused"
            );
        }
        admits
    }

    /// Hands the request on to `handle` if it came through the proxy.
    pub async fn hand_on<F: Future<Output = Response>>(
        &self,
        mut request: Request,
        handle: impl FnOnce(Request) -> F,
    ) -> Response {
        if self.admits(request.headers_mut()) {
            return handle(request).await;
        }
        let page = plain::language(request.headers());
        plain::failure(&refusal(), page, &RequestContext::of(&request).request_id)
    }
}

fn hexadecimal(digest: &Digest) -> String {
    digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The digest of `hunter2`.
    const HUNTER2: &str = "f52fbd32b2b3b86ff88ef6c490628285f482af15ddcb29541f94bcf526a3f6c7";

    fn proxy(digests: &str) -> Result<Proxy, String> {
        let settings = Settings::from_values([("PROXY_SECRET_DIGEST", digests)]);
        settings.read(Proxy::from_settings).map_err(|error| error.to_string())
    }

    fn admitted(proxy: &Proxy, secrets: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for secret in secrets {
            headers.append(SECRET_HEADER, secret.parse().unwrap());
        }
        let admits = proxy.admits(&mut headers);
        assert_eq!(headers.get(SECRET_HEADER), None, "no handler sees the secret");
        admits
    }

    #[test]
    fn only_a_request_with_the_secret_is_admitted() {
        let proxy = proxy(HUNTER2).unwrap();
        assert!(admitted(&proxy, &["hunter2"]));
        for others in [&[][..], &[""], &["hunter3"], &[HUNTER2], &["hunter3", "hunter2"]] {
            assert!(!admitted(&proxy, others), "{others:?}");
        }
    }

    #[tokio::test]
    async fn a_request_past_the_proxy_gets_403_and_reaches_no_handler() {
        let behind = proxy(HUNTER2).unwrap();
        let request = |secret: &'static str| {
            http::Request::builder()
                .header(SECRET_HEADER, secret)
                .body(bytes::Bytes::new())
                .unwrap()
        };
        let handle = |_| async { Response::new(bytes::Bytes::from_static(b"handled")) };
        assert_eq!(behind.hand_on(request("hunter2"), handle).await.body(), "handled");
        let refused = behind.hand_on(request("hunter3"), handle).await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN);
        let body: serde_json::Value = serde_json::from_slice(refused.body()).unwrap();
        assert_eq!(body["code"], "proxy_required");
    }

    #[test]
    fn a_second_digest_lets_the_owner_change_the_secret() {
        let both = proxy(&format!("{}, {HUNTER2}", "0".repeat(64))).unwrap();
        assert!(admitted(&both, &["hunter2"]));
    }

    #[test]
    fn without_a_setting_every_request_is_admitted() {
        assert!(admitted(&Proxy::default(), &[]));
        assert_eq!(proxy("").unwrap(), Proxy::default());
    }

    /// R179: the secret itself in place of its digest is refused, and not repeated.
    #[test]
    fn r179_a_secret_in_place_of_its_digest_is_refused() {
        let error = proxy("hunter2").unwrap_err();
        assert!(error.contains("PROXY_SECRET_DIGEST must be SHA-256 digests"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(proxy(&format!("{HUNTER2},")).is_err());
    }
}
