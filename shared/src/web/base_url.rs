//! The public address of the bundle.

use url::Url;

use crate::{
    issuer::is_https_or_local,
    settings::Settings,
    web::request::{Request, RequestContext},
};

/// The public address of the bundle. Redirect URIs and cookies depend on it.
///
/// It is never taken from a header that a client can write (`Host`, `X-Forwarded-Host`, `Forwarded`):
/// an attacker who chooses the redirect URI receives the code (R5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BaseUrl {
    /// Configured: an origin without a trailing slash.
    Fixed(String),
    /// Not configured: the API's own `execute-api` domain, which the gateway reports per request.
    Gateway,
}

/// The request came by a custom domain, which is trusted only if it is configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("BASE_URL must be set: this request did not come by the API's own execute-api domain")]
pub struct UnknownBaseUrl;

impl BaseUrl {
    /// Reads `BASE_URL`: an `https` origin, or an `http` one on loopback.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        settings.with_default("BASE_URL", Self::Gateway, |text| {
            let url = Url::parse(text).map_err(|_| MUST_BE)?;
            let origin = url.origin().ascii_serialization();
            let is_bare = text.trim_end_matches('/') == origin;
            if is_bare && is_https_or_local(&url, inside_lambda) {
                Ok(Self::Fixed(origin))
            } else {
                Err(MUST_BE)
            }
        })
    }

    /// The origin of `request`, without a trailing slash.
    ///
    /// # Errors
    ///
    /// When none is configured and the request did not come by an `execute-api` domain.
    pub fn resolve(&self, request: &Request) -> Result<String, UnknownBaseUrl> {
        match self {
            Self::Fixed(origin) => Ok(origin.clone()),
            Self::Gateway => match RequestContext::of(request).domain_name {
                Some(domain) if is_execute_api(&domain) => Ok(format!("https://{domain}")),
                _ => Err(UnknownBaseUrl),
            },
        }
    }

    /// Whether browsers use https, so that cookies can be `Secure`.
    pub fn is_https(&self) -> bool {
        match self {
            Self::Fixed(origin) => origin.starts_with("https:"),
            Self::Gateway => true,
        }
    }
}

const MUST_BE: &str = "must be an origin such as `https://api.example.com`, without a path (http is for a loopback host only)";

/// Whether `domain` is of the form `{api}.execute-api.{region}.amazonaws.{com,com.cn,eu}`, which only AWS
/// assigns.
fn is_execute_api(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let labels: Vec<_> = domain.split('.').collect();
    matches!(
        labels[..],
        [api, "execute-api", region, "amazonaws", "com" | "eu"] | [api, "execute-api", region, "amazonaws", "com", "cn"]
            if is_label(api) && is_label(region)
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn read(text: &str) -> Option<BaseUrl> {
        BaseUrl::from_settings(&mut Settings::from_values([("BASE_URL", text)]))
    }

    fn reached_by(domain: &str) -> Request {
        let mut request = Request::new(Bytes::new());
        let context =
            RequestContext { domain_name: Some(domain.to_owned()), ..RequestContext::default() };
        request.extensions_mut().insert(context);
        request.headers_mut().insert("host", "evil.example".parse().unwrap());
        request.headers_mut().insert("x-forwarded-host", "evil.example".parse().unwrap());
        request
    }

    #[test]
    fn a_configured_origin_does_not_depend_on_the_request() {
        let base_url = read("https://api.example.com/").unwrap();
        assert_eq!(
            base_url.resolve(&reached_by("evil.example")).unwrap(),
            "https://api.example.com"
        );
        assert!(base_url.is_https());
    }

    #[test]
    fn r177_plain_http_is_accepted_for_loopback_only() {
        assert!(!read("http://localhost:9000").unwrap().is_https());
        for text in [
            "http://api.example.com",
            "https://api.example.com/path",
            "https://u@api.example.com",
            "api.example.com",
            "javascript:x",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    /// Without https, cookies have neither `Secure` nor their prefix.
    #[test]
    fn r178_plain_http_is_refused_inside_lambda() {
        let inside = ("LAMBDA_TASK_ROOT", "/var/task");
        let mut settings = Settings::from_values([("BASE_URL", "http://localhost:9000"), inside]);
        assert_eq!(BaseUrl::from_settings(&mut settings), None);
    }

    #[test]
    fn r005_without_a_setting_only_the_gateways_own_domain_is_accepted() {
        for own in [
            "a1b2c3.execute-api.eu-central-1.amazonaws.com",
            "a1b2c3.execute-api.cn-north-1.amazonaws.com.cn",
            "a1b2c3.execute-api.eusc-de-east-1.amazonaws.eu",
        ] {
            let resolved = BaseUrl::Gateway.resolve(&reached_by(own));
            assert_eq!(resolved.unwrap(), format!("https://{own}"));
        }
        for domain in [
            "evil.example",
            "execute-api.eu-central-1.amazonaws.com",
            "a.execute-api.eu-central-1.amazonaws.com.evil.example",
            "evil.example/a.execute-api.eu-central-1.amazonaws.com",
            "a.execute-api.eusc-de-east-1.amazonaws.eu.cn",
            "a.b.execute-api.eu-central-1.amazonaws.com",
            "",
        ] {
            assert_eq!(
                BaseUrl::Gateway.resolve(&reached_by(domain)),
                Err(UnknownBaseUrl),
                "{domain}"
            );
        }
        assert_eq!(BaseUrl::Gateway.resolve(&Request::new(Bytes::new())), Err(UnknownBaseUrl));
    }
}
