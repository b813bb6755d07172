//! The language of a page: what the reader asks for, as far as there are texts in it.

use http::{HeaderMap, header};

use crate::{
    texts::Language,
    web::{query::Query, request::Request},
};

/// The parameter that names languages in order of preference, separated by spaces (OpenID Connect Core
/// §3.1.2.1).
pub const UI_LOCALES: &str = "ui_locales";

/// The language of a page for `request`: by `ui_locales`, then by `Accept-Language`, then English.
pub(super) fn of(request: &Request) -> Language {
    let query = Query::of(request.uri());
    let locales = query.once(UI_LOCALES).ok().flatten().unwrap_or_default();
    let asked = locales.split(' ').find_map(Language::tagged);
    asked.unwrap_or_else(|| accepted(request.headers()))
}

/// The language with the highest quality in `Accept-Language` (RFC 9110 §12.5.4), or English.
pub(super) fn accepted(headers: &HeaderMap) -> Language {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter();
    let ranges = lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    let best = ranges.filter_map(weighted).reduce(|best, next| {
        let is_better = next.1 > best.1;
        if is_better { next } else { best }
    });
    best.map_or(Language::English, |(language, _)| language)
}

/// The language of a range with its quality, if it is wanted and there are texts in it.
fn weighted(range: &str) -> Option<(Language, f32)> {
    let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
    let quality = weight.trim().to_ascii_lowercase().strip_prefix("q=")?.parse().ok()?;
    let is_wanted = quality > 0.0 && quality <= 1.0;
    Some((Language::tagged(tag.trim())?, quality)).filter(|_| is_wanted)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;

    use super::*;

    fn chosen(uri: &str, accepted: &[&str]) -> Language {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.parse().unwrap();
        for line in accepted {
            let line = HeaderValue::from_str(line).unwrap();
            request.headers_mut().append(header::ACCEPT_LANGUAGE, line);
        }
        of(&request)
    }

    #[test]
    fn the_accepted_language_with_the_highest_quality_is_chosen() {
        use Language::{English, German};
        for (accepted, language) in [
            ("", English),
            ("de", German),
            ("de-AT, en;q=0.8", German),
            ("en-GB,en;q=0.9,de;q=0.8", English),
            ("en;q=0.5, de; q=0.7", German),
            ("fr, de;q=0.3, en;Q=0.2", German),
            ("fr-CH, fr;q=0.9, *;q=0.5", English),
            ("de;q=0, en;q=0.1", English),
            ("de;q=0", English),
            ("de;q=0.0001, en;q=1.5, en;q=NaN, en;q=inf, en;q", German),
            ("en, de", English),
            ("deutsch", English),
            (";;,,=;q=", English),
        ] {
            assert_eq!(chosen("/", &[accepted]), language, "{accepted}");
        }
        assert_eq!(chosen("/", &["fr", "de"]), German);
    }

    #[test]
    fn ui_locales_precede_accept_language() {
        use Language::{English, German};
        for (query, language) in [
            ("ui_locales=de", German),
            ("ui_locales=fr%20de-AT%20en", German),
            ("ui_locales=en+de", English),
            ("ui_locales=fr", English),
            ("ui_locales=", English),
            ("ui_locales=de&ui_locales=de", English),
        ] {
            assert_eq!(chosen(&format!("/?{query}"), &["en"]), language, "{query}");
        }
        assert_eq!(chosen("/?ui_locales=fr", &["de"]), German);
    }
}
