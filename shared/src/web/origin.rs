//! Origins: which ones may call us, and which one a request came from.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::Url;

use crate::{
    issuer::is_loopback,
    settings::Settings,
    web::request::{Request, Response},
};

/// The origins that the operator allows to call `/protected` and `/logout` (CORS protocol, Fetch §3.3).
/// They are compared exactly, without wildcards or suffixes (R168).
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads `ALLOWED_ORIGINS`, a comma-separated list.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        let origins = settings.optional("ALLOWED_ORIGINS", |text| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let origins = parts.map(parse_origin).collect::<Option<Vec<_>>>().ok_or("must be a comma-separated list of origins such as `https://app.example.com`, without paths or wildcards")?;
            if inside_lambda && origins.iter().any(|origin| origin.starts_with("http:")) {
                return Err("must not name an http origin inside Lambda: any program on a visitor's machine can answer there, and would read what the visitor may");
            }
            Ok(origins)
        })?;
        Some(Self(origins.unwrap_or_default()))
    }

    /// Whether the list contains `origin` as a browser sends it.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }

    /// Sets the headers that tell the browser whether the requesting page may read `response`.
    pub fn share(&self, request: &Request, response: &mut Response) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin(request.headers()).filter(|origin| self.contains(origin))
            && let Ok(origin) = HeaderValue::from_str(origin)
        {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers
                .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("Retry-After, WWW-Authenticate"),
            );
        }
    }

    /// Whether the request was sent by one of our pages, at `own`, or by an allowed origin.
    ///
    /// A browser attaches our cookie to requests that other sites cause. So a request that changes
    /// state needs this proof in addition to the cookie (R104, R167). A request without both headers
    /// proves nothing.
    pub fn vouch_for(&self, request: &Request, own: &str) -> bool {
        match origin(request.headers()) {
            Some(origin) => origin == own || self.contains(origin),
            None => {
                header_text(request.headers(), &SEC_FETCH_SITE) == Some("same-origin")
                    && !is_repeated(request.headers(), &header::ORIGIN)
            }
        }
    }
}

/// Whether a page of another origin caused this navigation. A typed address or a bookmark does not
/// count (`Sec-Fetch-Site: none`, Fetch Metadata §2.3).
///
/// A browser without `Sec-Fetch-Site` still sends `Referer` from our own pages. Another site can
/// suppress that header but cannot set it to our address.
pub fn is_from_elsewhere(request: &Request, own: &str) -> bool {
    let headers = request.headers();
    let is_own_page = || {
        let referer = header_text(headers, &header::REFERER).map(Url::parse);
        referer.is_some_and(|url| url.is_ok_and(|url| url.origin().ascii_serialization() == own))
    };
    match header_text(headers, &SEC_FETCH_SITE) {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => !is_own_page(),
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn origin(headers: &HeaderMap) -> Option<&str> {
    header_text(headers, &header::ORIGIN)
}

/// The single value of a header; `None` if the header is repeated.
fn header_text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    if is_repeated(headers, name) { None } else { headers.get(name)?.to_str().ok() }
}

fn is_repeated(headers: &HeaderMap, name: &HeaderName) -> bool {
    headers.get_all(name).iter().count() > 1
}

fn parse_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_allowed = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    let origin = url.origin().ascii_serialization();
    // A wildcard would match nothing, although its author would expect it to match.
    (is_allowed && !text.contains('*') && text.trim_end_matches('/') == origin).then_some(origin)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const OWN: &str = "https://us.example";

    fn allowed(text: &str) -> Option<AllowedOrigins> {
        AllowedOrigins::from_settings(&mut Settings::from_values([("ALLOWED_ORIGINS", text)]))
    }

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Bytes::new());
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    fn vouched(headers: &[(&'static str, &str)]) -> bool {
        allowed("https://app.example").unwrap().vouch_for(&request(headers), OWN)
    }

    #[test]
    fn r104_requests_from_our_pages_and_allowed_origins_are_accepted() {
        assert!(vouched(&[("origin", OWN)]));
        assert!(vouched(&[("origin", "https://app.example")]));
        assert!(vouched(&[("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn r104_requests_from_other_origins_or_without_one_are_refused() {
        let headers: [&[(&'static str, &str)]; 8] = [
            &[],
            &[("origin", "null")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://us.example.evil")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "none")],
            &[
                ("origin", OWN),
                ("origin", "https://evil.example"),
                ("sec-fetch-site", "same-origin"),
            ],
        ];
        for headers in headers {
            assert!(!vouched(headers), "{headers:?}");
        }
    }

    #[test]
    fn r189_only_our_pages_and_the_address_bar_count_as_our_own_site() {
        let is_from_elsewhere =
            |headers: &[(&'static str, &str)]| is_from_elsewhere(&request(headers), OWN);
        let own = ("referer", "https://us.example/reports?page=2");
        let headers: [&[(&'static str, &str)]; 3] =
            [&[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")], &[own]];
        for headers in headers {
            assert!(!is_from_elsewhere(headers), "{headers:?}");
        }
        let headers: [&[(&'static str, &str)]; 8] = [
            &[],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site"), own],
            &[("sec-fetch-site", "")],
            &[("referer", "https://us.example.evil/")],
            &[("referer", "http://us.example/")],
            &[("referer", "us.example")],
        ];
        for headers in headers {
            assert!(is_from_elsewhere(headers), "{headers:?}");
        }
    }

    #[test]
    fn r190_an_http_origin_is_refused_inside_lambda() {
        for (text, is_allowed) in [
            ("https://app.example", true),
            ("http://localhost:5173", false),
            ("https://app.example, http://127.0.0.1", false),
            ("http://[::1]:3000/", false),
        ] {
            let values = [("ALLOWED_ORIGINS", text), ("LAMBDA_TASK_ROOT", "/var/task")];
            let mut settings = Settings::from_values(values);
            assert_eq!(AllowedOrigins::from_settings(&mut settings).is_some(), is_allowed);
            let outcome = settings.finish().map_err(|error| error.to_string());
            let is_named =
                |said: String| said.contains("ALLOWED_ORIGINS must not name an http origin");
            assert_eq!(outcome.map_err(is_named), if is_allowed { Ok(()) } else { Err(true) });
            assert!(allowed(text).is_some(), "a local run may: {text}");
        }
    }

    #[test]
    fn r168_only_an_exact_origin_may_read_the_response() {
        let origins = allowed("https://app.example, http://localhost:5173/").unwrap();
        let shared_with = |origin: &str| {
            let mut response = Response::new(Bytes::new());
            origins.share(&request(&[("origin", origin)]), &mut response);
            assert_eq!(response.headers()[header::VARY], "Origin");
            response.headers().get(header::ACCESS_CONTROL_ALLOW_ORIGIN).cloned()
        };
        for origin in ["https://app.example", "http://localhost:5173"] {
            assert_eq!(shared_with(origin).unwrap(), origin);
        }
        for origin in [
            "null",
            "*",
            "http://app.example",
            "https://app.example:444",
            "https://app.example.evil",
            "https://APP.example",
        ] {
            assert_eq!(shared_with(origin), None, "{origin}");
        }
    }

    #[test]
    fn r168_a_wildcard_or_a_path_is_refused_as_origin() {
        for text in [
            "*",
            "null",
            "https://*.example",
            "https://app.example/path",
            "http://app.example",
            "app.example",
        ] {
            assert!(allowed(text).is_none(), "{text}");
        }
    }
}
