//! Proof that a request comes from our own pages.

use http::{HeaderName, header};
use url::Url;

use crate::web::{
    cors::AllowedOrigins,
    request::{Request, single_header},
};

/// Whether the request was sent by one of our pages, at `own`, or by an `allowed` origin.
///
/// A browser attaches our cookie to requests that other sites cause. So a request that changes state
/// needs this proof in addition to the cookie (R104, R167). A request without both headers proves
/// nothing.
pub fn is_proven(request: &Request, own: &str, allowed: &AllowedOrigins) -> bool {
    let headers = request.headers();
    match single_header(headers, &header::ORIGIN) {
        Some(origin) => origin == own || allowed.contains(origin),
        None => {
            single_header(headers, &SEC_FETCH_SITE) == Some("same-origin")
                && headers.get_all(header::ORIGIN).iter().count() < 2
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
        let referer = single_header(headers, &header::REFERER).map(Url::parse);
        referer.is_some_and(|url| url.is_ok_and(|url| url.origin().ascii_serialization() == own))
    };
    match single_header(headers, &SEC_FETCH_SITE) {
        Some(site) => !matches!(site, "same-origin" | "none"),
        None => !is_own_page(),
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    const OWN: &str = "https://us.example";

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::default();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        request
    }

    fn is_proven(headers: &[(&'static str, &str)]) -> bool {
        let mut settings = Settings::from_values([("ALLOWED_ORIGINS", "https://app.example")]);
        let allowed = AllowedOrigins::from_settings(&mut settings).unwrap();
        super::is_proven(&request(headers), OWN, &allowed)
    }

    #[test]
    fn r104_requests_from_our_pages_and_allowed_origins_are_accepted() {
        assert!(is_proven(&[("origin", OWN)]));
        assert!(is_proven(&[("origin", "https://app.example")]));
        assert!(is_proven(&[("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn r104_requests_from_other_origins_or_without_one_are_refused() {
        let headers: [&[(&'static str, &str)]; 14] = [
            &[],
            &[("origin", "null")],
            &[("origin", "null"), ("sec-fetch-site", "cross-site")],
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://evil.example"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://us.example.evil")],
            &[("origin", "http://us.example")],
            &[("origin", "https://us.example:8443")],
            &[("origin", "https://evil.us.example"), ("sec-fetch-site", "same-site")],
            &[("referer", "https://us.example/")],
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
            assert!(!is_proven(headers), "{headers:?}");
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
}
