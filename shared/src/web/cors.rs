//! Cross-origin resource sharing (CORS): which other origins may call us.

use http::{HeaderValue, header};
use url::Url;

use crate::{
    issuer::is_https_or_local,
    settings::Settings,
    web::request::{Request, Response, single_header},
};

/// The origins that the operator allows to call `/protected` and `/logout` (CORS protocol, Fetch §3.3).
/// They are compared exactly, without wildcards or suffixes (R168).
#[derive(Clone, Debug, Default)]
pub struct AllowedOrigins(Vec<String>);

impl AllowedOrigins {
    /// Reads `ALLOWED_ORIGINS`, a comma-separated list.
    pub fn from_settings(settings: &mut Settings) -> Option<Self> {
        let inside_lambda = settings.inside_lambda();
        settings.with_default("ALLOWED_ORIGINS", Self(Vec::new()), |text| {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let origins = parts.map(parse_origin).collect::<Option<Vec<_>>>().ok_or("must be a comma-separated list of origins such as `https://app.example.com`, without paths or wildcards")?;
            if inside_lambda && origins.iter().any(|origin| origin.starts_with("http:")) {
                return Err("must not name an http origin inside Lambda: any program on a visitor's machine can answer there, and would read what the visitor may");
            }
            Ok(Self(origins))
        })
    }

    /// Whether the list contains `origin` as a browser sends it.
    pub fn contains(&self, origin: &str) -> bool {
        self.0.iter().any(|allowed| allowed == origin)
    }

    /// Sets the headers that tell the browser whether the requesting page may read `response`.
    pub fn share(&self, request: &Request, response: &mut Response) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) =
            single_header(request.headers(), &header::ORIGIN).filter(|origin| self.contains(origin))
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
}

fn parse_origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_allowed = is_https_or_local(&url, false);
    let origin = url.origin().ascii_serialization();
    // A wildcard would match nothing, although its author would expect it to match.
    (is_allowed && !text.contains('*') && text.trim_end_matches('/') == origin).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str) -> Option<AllowedOrigins> {
        AllowedOrigins::from_settings(&mut Settings::from_values([("ALLOWED_ORIGINS", text)]))
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
            let (mut request, mut response) = <(Request, Response)>::default();
            request.headers_mut().insert(header::ORIGIN, origin.parse().unwrap());
            origins.share(&request, &mut response);
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
            "https://evil-app.example",
            "https://evil.example/https://app.example",
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
